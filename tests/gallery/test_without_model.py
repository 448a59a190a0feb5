"""A gallery opened without a model: everything but enrolling and identifying."""

import pytest
from points import NamedSpace, new_faces

from facespace.errors import GalleryError
from facespace.gallery import Gallery, backup, check, read_key, write_key


@pytest.fixture
def path(tmp_path):
    with Gallery(tmp_path / "people.db", NamedSpace()) as gallery:
        for name, count in (("Ada", 3), ("Ben", 2), ("Cleo", 1)):
            gallery.store.add(name, new_faces(name, count))
    return tmp_path / "people.db"


def test_people_are_listed_renamed_merged_and_removed(path):
    with Gallery(path) as gallery:
        assert {person.name: person.faces for person in gallery.people()} == {"Ada": 3, "Ben": 2, "Cleo": 1}
        assert gallery.rename("Ben", "Benedict").name == "Benedict"
        gallery.merge("Cleo", "Ada")
        gallery.undo_merge("Ada")
        face = gallery.faces("Ada")[0]
        gallery.move(face.id, "Dora")
        assert gallery.remove("Cleo").faces == 1
    with Gallery(path, NamedSpace()) as gallery:
        assert [(person.name, person.faces) for person in gallery.people()] == [
            ("Ada", 2),
            ("Benedict", 2),
            ("Dora", 1),
        ]
        assert [face.name for face in gallery.identify("Ben/0")] == ["Benedict"]


def test_it_is_copied_and_checked_and_its_index_is_built(path, tmp_path):
    with Gallery(path) as gallery:
        backup(gallery.store, tmp_path / "copy.db")
        assert check(gallery.store).people == 3
        assert gallery.index.build() == "exact"
        assert len(gallery.index) == 3
        assert [event.action for event in gallery.audit()].count("enrol") == 3
    with Gallery(tmp_path / "copy.db") as copy:
        assert len(copy) == 3


def test_an_encrypted_one_needs_its_key_only(tmp_path):
    pytest.importorskip("cryptography", reason="the encryption extra is not installed")
    write_key(tmp_path / "key")
    secret = read_key(tmp_path / "key")
    with Gallery(tmp_path / "people.db", NamedSpace(), secret) as gallery:
        gallery.store.add("Ada", new_faces("Ada"))
    with Gallery(tmp_path / "people.db", secret=secret) as gallery:
        assert [person.name for person in gallery.people()] == ["Ada"]


@pytest.mark.parametrize(
    "asks",
    [
        lambda gallery: gallery.enrol("Dora", "Dora/1"),
        lambda gallery: gallery.identify("Ada/1"),
        lambda gallery: gallery.identify_faces(NamedSpace().faces("Ada/1")),
        lambda gallery: gallery.threshold(),
    ],
    ids=["enrol", "identify", "identify_faces", "threshold"],
)
def test_what_needs_a_model_says_so_and_changes_nothing(path, asks):
    with Gallery(path) as gallery:
        with pytest.raises(GalleryError, match="opened without a model; to enrol or identify, open it with one"):
            asks(gallery)
        assert len(gallery) == 3


def test_a_gallery_that_does_not_exist_is_not_made(tmp_path):
    with pytest.raises(GalleryError, match=r"there is no gallery .*people\.db"):
        Gallery(tmp_path / "people.db")
    assert list(tmp_path.iterdir()) == []
