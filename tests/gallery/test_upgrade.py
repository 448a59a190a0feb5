"""Upgrade to another model: all faces or none, interruptible, with searches meanwhile."""

from types import SimpleNamespace

import pytest
from points import DIMENSION, SPACE, NamedSpace, new_faces

from facespace.errors import GalleryError
from facespace.gallery import Gallery, NewFace, adopt, check, open_store, space_of, upgrade

NEW = "b" * 64


class Stopping(NamedSpace):
    """Is interrupted after some photos."""

    def __init__(self, after):
        super().__init__(NEW, 48)
        self.after = after

    def faces(self, photo):
        self.after -= 1
        if self.after < 0:
            raise KeyboardInterrupt
        return super().faces(photo)


@pytest.fixture
def path(tmp_path):
    store = open_store(tmp_path / "people.db", SPACE, DIMENSION)
    store.add_all([(f"P{i}", new_faces(f"P{i}", 2), None) for i in range(30)])
    store.close()
    return str(tmp_path / "people.db")


def test_all_faces_are_re_embedded_and_found_by_the_new_model(path):
    progress = []
    done = upgrade(path, NamedSpace(NEW, 48), on_face=lambda *at: progress.append(at))
    assert (done.faces, done.before, done.dropped) == (60, 0, ())
    assert progress[-1] == (60, 60)
    assert space_of(path) == (NEW, 48)
    with Gallery(path, NamedSpace(NEW, 48)) as gallery:
        assert gallery.identify("P7/5")[0].name == "P7"
        assert {face.model for face in gallery.store.faces()} == {NEW}
        check(gallery.store)
    with pytest.raises(GalleryError, match="holds embeddings of the space b"):
        Gallery(path, NamedSpace())
    assert upgrade(path, NamedSpace(NEW, 48)).faces == 0


def test_an_interrupted_upgrade_changes_nothing_and_can_be_continued(path):
    with pytest.raises(KeyboardInterrupt):
        upgrade(path, Stopping(40))
    with Gallery(path, NamedSpace()) as gallery:
        assert gallery.identify("P7/5")[0].name == "P7"
        gallery.enrol("Late", "Late/1")
        gallery.remove("P3")
    done = upgrade(path, NamedSpace(NEW, 48))
    assert (done.faces, done.before) == (29, 30)
    with Gallery(path, NamedSpace(NEW, 48)) as gallery:
        assert gallery.identify("Late/4")[0].name == "Late"
        assert len(gallery) == 30


def test_an_upgrade_to_another_model_starts_over(path):
    with pytest.raises(KeyboardInterrupt):
        upgrade(path, Stopping(40))
    assert upgrade(path, NamedSpace("c" * 64)).faces == 60


def test_faces_enrolled_during_the_upgrade_are_re_embedded_too(path):
    space = NamedSpace(NEW, 48)
    plain = space.faces

    def and_enrol(photo):
        if photo == "P29/1":
            with Gallery(path, NamedSpace()) as gallery:
                gallery.enrol("Late", "Late/1")
        return plain(photo)

    space.faces = and_enrol
    assert upgrade(path, space).faces == 61


def test_a_missing_photo_fails_the_upgrade_at_the_end_unless_it_may_be_dropped(path):
    space = NamedSpace(NEW, 48)
    space.lost = {"P5/0", "P6/0", "P6/1"}
    with pytest.raises(GalleryError, match="3 faces .* cannot be re-embedded .*cannot read P5/0.* is unchanged"):
        upgrade(path, space)
    assert space_of(path) == (SPACE, DIMENSION)
    space.lost = {"P6/0", "P6/1"}
    done = upgrade(path, space, drop=True)
    assert (done.faces, done.before) == (3, 57)
    assert [photo for photo, _ in done.dropped] == ["P6/0", "P6/1"]
    with Gallery(path, space) as gallery:
        assert {person.name: person.faces for person in gallery.people()}["P6"] == 0
        check(gallery.store)


def test_the_stored_picture_replaces_a_missing_photo(path):
    store = open_store(path, SPACE, DIMENSION)
    face = NamedSpace().faces("Ada/1")[0]
    store.add("Ada", [NewFace("upload.jpg", face.box, face.embedding, picture=b"Ada/1")])
    store.add("Ben", [NewFace("other.jpg", face.box, face.embedding, picture=b"")])
    store.close()
    space = NamedSpace(NEW, 48)
    space.lost = {"upload.jpg", "other.jpg"}
    by_name = space.faces
    space.faces = lambda photo: by_name(photo.decode() if isinstance(photo, bytes) else photo)
    done = upgrade(path, space, drop=True)
    assert (done.from_pictures, [photo for photo, _ in done.dropped]) == (1, ["other.jpg"])
    with Gallery(path, space) as gallery:
        assert gallery.identify("Ada/7")[0].name == "Ada"
        check(gallery.store)


def test_the_enrolled_face_is_found_again_by_its_box(path):
    store = open_store(path, SPACE, DIMENSION)
    face = NamedSpace().faces("Ada/1+Ben/1")[1]
    store.add("Ben", [NewFace("Ada/1+Ben/1", face.box, face.embedding)])
    store.add("Cleo", [NewFace("Ada/1", (500.0, 0.0, 510.0, 10.0), face.embedding)])
    store.close()
    with pytest.raises(GalleryError, match="no longer found in the photo"):
        upgrade(path, NamedSpace(NEW, 48))
    upgrade(path, NamedSpace(NEW, 48), drop=True)
    with Gallery(path, NamedSpace(NEW, 48)) as gallery:
        assert gallery.identify("Ben/1")[0].name == "Ben"


def test_only_a_compatible_model_keeps_the_old_embeddings(path):
    def card(comparable):
        return SimpleNamespace(name="new", comparable_with=comparable, dimension=DIMENSION, space_id=NEW)

    for other in (None, "c" * 64):
        with pytest.raises(GalleryError, match="does not say that its embeddings can be compared"):
            adopt(path, card(other))
    adopt(path, card(SPACE))
    with Gallery(path, NamedSpace(NEW)) as gallery:
        gallery.enrol("Late", "Late/1")
        assert {face.model for face in gallery.store.faces()} == {SPACE, NEW}
    done = upgrade(path, NamedSpace(NEW))
    assert done.faces == 60
    with Gallery(path, NamedSpace(NEW)) as gallery:
        assert gallery.identify("P7/5")[0].name == "P7"


def test_a_file_that_is_not_a_gallery_is_not_upgraded(tmp_path):
    with pytest.raises(GalleryError, match="there is no gallery"):
        upgrade(str(tmp_path / "absent.db"), NamedSpace(NEW))
    (tmp_path / "letter.db").write_text("no gallery")
    with pytest.raises(GalleryError, match="is not a gallery"):
        upgrade(str(tmp_path / "letter.db"), NamedSpace(NEW))
