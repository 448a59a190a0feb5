"""Protocols on folders of people."""

import numpy as np
import pytest

from facespace.errors import DataError
from facespace.evaluate import protocols
from facespace.evaluate.photos import InMemoryPhotos

PHOTOS = InMemoryPhotos({f"p{person}/{photo}.jpg": b"" for person in range(6) for photo in range(person + 1)}, "here")


@pytest.mark.parametrize("make", [protocols.people, protocols.open_set])
def test_open_set_enrols_half_the_people_with_one_photo_each(make):
    asked = make(PHOTOS, seed=3)
    enrolled = asked.labels[asked.search.gallery]
    assert len(enrolled) == len(np.unique(enrolled)) == 3
    assert sorted([*asked.search.gallery, *asked.search.probes]) == list(range(21))
    assert (make(PHOTOS, seed=3).search.gallery == asked.search.gallery).all()
    assert any((make(PHOTOS, seed=seed).search.gallery != asked.search.gallery).any() for seed in range(5))


def test_a_closed_set_enrols_everybody_with_two_photos_and_has_no_strangers():
    asked = protocols.closed_set(PHOTOS, seed=1)
    enrolled = set(asked.labels[asked.search.gallery].tolist())
    assert enrolled == {1, 2, 3, 4, 5}
    assert set(asked.labels[asked.search.probes].tolist()) == enrolled
    assert len(asked.search.probes) == 20 - 5
    with pytest.raises(DataError, match="no person in alone has two photos"):
        protocols.closed_set(InMemoryPhotos({"p/1.jpg": b"", "q/1.jpg": b""}, "alone"))


def test_lists_give_gallery_and_probes(tmp_path):
    gallery, probes = tmp_path / "gallery.csv", tmp_path / "probes.csv"
    gallery.write_text("photo,person\na1,Ada\na2,Ada\nb1,Ben\n")
    probes.write_text("photo,person\na3,Ada\nc1,Cid\n")
    asked = protocols.listed_search(gallery, probes, PHOTOS)
    assert asked.names == ("a1", "a2", "b1", "a3", "c1")
    assert asked.labels.tolist() == [0, 0, 1, 0, 2]
    assert "2 probes (probes.csv), among them of 1 strangers" in asked.words
    probes.write_text("photo,person\na1,Ada\n")
    with pytest.raises(DataError, match="a1 is in .*gallery.csv and in .*probes.csv"):
        protocols.listed_search(gallery, probes, PHOTOS)
    probes.write_text("photo,person\nx,Ada\nx,Ben\n")
    with pytest.raises(DataError, match="line 3: x belongs to Ben here and to Ada before"):
        protocols.listed_search(gallery, probes, PHOTOS)


@pytest.mark.parametrize(
    ("name", "lists", "message"),
    [
        ("lwf", [], "unknown protocol 'lwf'; did you mean 'lfw'"),
        ("lfw", [], r"takes --pairs FILE \(pairs.txt\), but 0 were given"),
        ("people", ["x"], "takes no --pairs, but 1 were given"),
        ("search", ["x"], "the gallery's CSV file.* and .*the probes' CSV file"),
        ("people", [], "needs photos: --images FOLDER"),
    ],
)
def test_missing_inputs_of_a_protocol_are_clear_errors(name, lists, message):
    with pytest.raises(DataError, match=message):
        protocols.by_name(name, None, lists)
