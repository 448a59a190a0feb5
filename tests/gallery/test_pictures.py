"""Stored pictures of faces: on request only, encrypted with the gallery, and deleted with their faces."""

import io

import PIL.Image
import pytest

from facespace.errors import GalleryError
from facespace.gallery import Gallery, Secret, acting_as


def test_a_picture_is_stored_on_request_and_follows_its_face(space, people, tmp_path):
    with Gallery(tmp_path / "people.db", space) as gallery:
        gallery.enrol("Ada", people / "s1" / "1.pgm", min_quality=0, keep=True)
        gallery.enrol("Ben", people / "s2" / "1.pgm", min_quality=0)
        ada, ben = gallery.store.find("Ada"), gallery.store.find("Ben")
        pictures = gallery.pictured([ada.id, ben.id])
        assert set(pictures) == {ada.id}
        picture = gallery.picture(pictures[ada.id])
        assert max(PIL.Image.open(io.BytesIO(picture)).size) <= 160
        gallery.merge("Ada", "Ben")
        assert gallery.pictured([ben.id]) == {ben.id: pictures[ada.id]}
        assert gallery.merged("Ben") == ["Ada"]
        gallery.undo_merge("Ben")
        gallery.remove("Ada")
        assert gallery.picture(pictures[ada.id]) is None
    assert picture not in (tmp_path / "people.db").read_bytes()


def test_an_encrypted_gallery_encrypts_its_pictures(space, people, tmp_path):
    pytest.importorskip("cryptography")
    with Gallery(tmp_path / "people.db", space, Secret(bytes(range(32)))) as gallery:
        gallery.enrol("Ada", people / "s1" / "1.pgm", min_quality=0, keep=True)
        picture = gallery.picture(1)
        assert picture.startswith(b"RIFF")
    assert picture[:64] not in b"".join(path.read_bytes() for path in tmp_path.glob("people.db*"))


def test_one_face_is_permanently_deleted(space, people, tmp_path):
    with Gallery(tmp_path / "people.db", space) as gallery:
        gallery.enrol("Ada", [people / "s1" / "1.pgm", people / "s1" / "2.pgm"], min_quality=0)
        with acting_as("key office"):
            gallery.remove_face(1)
        assert [face.id for face in gallery.faces("Ada")] == [2]
        assert [(e.action, e.actor) for e in gallery.audit()][-1] == ("remove face", "key office")
        gallery.remove_face(2)
        assert gallery.person(1).faces == 0
        assert gallery.identify(people / "s1" / "1.pgm")[0].candidates == ()
        with pytest.raises(GalleryError, match="no face 2"):
            gallery.remove_face(2)


def test_the_map_shows_everybody_and_puts_similar_people_close(space, people, tmp_path):
    with Gallery(tmp_path / "people.db", space) as gallery:
        assert gallery.map() == []
        gallery.enrol("Ada", people / "s1" / "1.pgm", min_quality=0)
        assert [(place.x, place.y) for place in gallery.map()] == [(0.0, 0.0)]
        gallery.enrol("Ada again", people / "s1" / "1.pgm", min_quality=0)
        gallery.enrol("Ben", people / "s2" / "1.pgm", min_quality=0)
        ada, again, ben = gallery.map()
        assert max(abs(value) for place in (ada, again, ben) for value in (place.x, place.y)) == pytest.approx(1)
        assert abs(ada.x - again.x) < abs(ada.x - ben.x)
        assert len(gallery.map(limit=2)) == 2
