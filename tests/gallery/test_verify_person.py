"""One face against one person: the distance to their template, made comparable with that between two photos."""

import numpy as np
import pytest
from points import NamedSpace, new_faces, point

from facespace.errors import EmbeddingError, GalleryError
from facespace.gallery import Gallery, verify_person


@pytest.fixture
def gallery(tmp_path):
    with Gallery(tmp_path / "people.db", NamedSpace()) as opened:
        opened.store.add_all([("Ada", new_faces("Ada", 3), None), ("Ben", new_faces("Ben", 1), None)])
        yield opened


def test_the_distance_is_to_the_mean_of_the_stored_faces(gallery):
    ada = gallery.store.find("Ada")
    probe = point("Ada", 9)
    found = verify_person(gallery.store, gallery._space, ada.id, probe)
    mean = np.mean([point("Ada", n) for n in range(3)], axis=0)
    expected = np.sum((probe - mean / np.linalg.norm(mean)) ** 2)
    assert found.distance == pytest.approx(expected, abs=2e-3)
    impostors = gallery._space.card.impostors()
    assert found.adjusted_distance == pytest.approx(float(impostors.as_single(expected, 3)), abs=5e-3)
    assert (found.same, found.threshold, found.person.name) == (found.adjusted_distance <= 0.5, 0.5, "Ada")
    assert found.verdict == "same"
    stranger = verify_person(gallery.store, gallery._space, ada.id, point("Ben", 9))
    assert (stranger.same, stranger.verdict) == (False, "different")
    assert (found.rejection, found.frr, found.far) == (0.9, 0.01, 0.001)


def test_an_embedding_of_another_dimension_is_refused(gallery):
    with pytest.raises(EmbeddingError, match="has 2 numbers, but this space has 32"):
        verify_person(gallery.store, gallery._space, 1, np.array([1.0, 0.0]))


def test_each_comparison_is_in_the_audit_log_by_id(gallery):
    ada = gallery.store.find("Ada")
    verify_person(gallery.store, gallery._space, ada.id, point("Ada", 9))
    event = list(gallery.audit())[-1]
    assert (event.action, event.detail) == ("verify", {"person": ada.id, "same": True})


def test_an_unknown_person_is_an_error_and_not_recorded(gallery):
    before = len(list(gallery.audit()))
    with pytest.raises(GalleryError, match="no person with the id 99"):
        verify_person(gallery.store, gallery._space, 99, point("Ada", 9))
    (face,) = gallery.faces("Ben")
    gallery.remove_face(face.id)
    with pytest.raises(GalleryError, match="has no faces"):
        verify_person(gallery.store, gallery._space, gallery.store.find("Ben").id, point("Ada", 9))
    assert [event.action for event in gallery.audit()][before:] == ["remove face"]
