"""Enrolment looks at what it is given."""

from dataclasses import replace

import numpy as np
import pytest
from points import NamedSpace, point

from facespace.errors import GalleryError
from facespace.faces import Quality
from facespace.gallery import Gallery, NotEnrolledError

GOOD = Quality(0.6, 60, 0.2, 0.5, 0.2, 3, 2, 1, 0.1)


@pytest.fixture
def gallery(tmp_path):
    with Gallery(tmp_path / "people.db", NamedSpace()) as opened:
        yield opened


def test_the_same_photo_twice_is_kept_once(gallery):
    done = gallery.enrol("Ada", ["Ada/1", "Ada/2", "Ada/1"])
    assert done.faces == 2
    assert [(failure.photo, "already" in failure.reason) for failure in done.folded] == [("Ada/1", True)]
    again = gallery.enrol("Ada", ["Ada/2", "Ada/3"])
    assert (again.faces, len(again.folded)) == (1, 1)
    assert gallery.people()[0].faces == 3
    assert gallery.enrol("Ada", ["Ada/3"]).faces == 0


def test_a_photo_that_looks_like_somebody_else_is_flagged(gallery):
    done = gallery.enrol("Ada", ["Ada/1", "Ada/2", "Ada/3", "Ben/1"])
    assert done.faces == 4
    assert [failure.photo for failure in done.outliers] == ["Ben/1"]
    assert "looks like somebody else" in done.outliers[0].reason
    assert [failure.photo for failure in gallery.enrol("Ada", ["Cleo/1"]).outliers] == ["Cleo/1"]


def test_whoever_is_enrolled_under_another_name_is_told(gallery):
    gallery.enrol("Ada", ["Ada/1", "Ada/2"])
    assert [other.name for other in gallery.enrol("Augusta", ["Ada/3"]).alike] == ["Ada"]
    assert gallery.enrol("Ben", ["Ben/1"]).alike == ()
    assert gallery.enrol("Ada", ["Ada/4"]).alike[0].name == "Augusta"


def test_a_face_of_low_quality_is_refused_with_the_reason(tmp_path):
    class Judging(NamedSpace):
        def faces(self, photo):
            blurred = replace(GOOD, value=0.01, sharpness=0.01, eye_distance=12.0, yaw=-50.0, occlusion=0.9)
            return [replace(face, quality=blurred if "bad" in photo else GOOD) for face in super().faces(photo)]

    with Gallery(tmp_path / "people.db", Judging()) as gallery:
        done = gallery.enrol("Ada", ["Ada/1", "Ada/bad"])
        (failure,) = done.failures
        for word in ("quality 0.01 is below 0.05", "12 pixels", "blurred", "turned away", "covered"):
            assert word in failure.reason
        assert gallery.faces("Ada")[0].quality == 0.6
        with pytest.raises(GalleryError, match="no photo of 'Ben' can be enrolled"):
            gallery.enrol("Ben", "Ben/bad")
        assert gallery.enrol("Ben", "Ben/bad", least_quality=0).faces == 1


def test_attributes_are_kept_replaced_and_checked(gallery):
    gallery.enrol("Ada", "Ada/1", {"team": 3, "tags": ["früh"]})
    gallery.enrol("Ada", "Ada/2")
    assert gallery.people()[0].attributes == {"team": 3, "tags": ["früh"]}
    gallery.enrol("Ada", "Ada/3", {})
    assert gallery.people()[0].attributes == {}
    with pytest.raises(GalleryError, match="must be JSON"):
        gallery.enrol("Ada", "Ada/4", {"when": object()})
    assert gallery.people()[0].faces == 3


def test_two_faces_in_a_photo_to_enrol_are_refused(gallery):
    with pytest.raises(GalleryError, match="2 faces found; a photo to enrol must show just one"):
        gallery.enrol("Ada", "Ada/1+Ben/1")


def test_a_chosen_face_of_a_photo_of_several_is_enrolled(tmp_path):
    with Gallery(tmp_path / "people.db", NamedSpace()) as gallery:
        gallery.enrol("Ben", "Ada/1+Ben/1", choose=2)
        (kept,) = gallery.faces("Ben")
        np.testing.assert_allclose(kept.embedding, point("Ben", "1"), atol=1e-3)
        with pytest.raises(NotEnrolledError, match="2 faces found, so there is no face 3") as refused:
            gallery.enrol("Cleo", "Ada/1+Ben/1", choose=3)
        assert [failure.kind for failure in refused.value.failures] == ["no-face"]
        with pytest.raises(NotEnrolledError, match="1 face found, so there is no face 2"):
            gallery.enrol("Cleo", "Cleo/1", choose=2)
        assert [person.name for person in gallery.people()] == ["Ben"]


def test_why_each_photo_was_left_out_is_named(tmp_path):
    space = NamedSpace()
    space.lost.add("lost")
    with Gallery(tmp_path / "people.db", space) as gallery:
        done = gallery.enrol("Ada", ["Ada/1", "", "Ada/1+Ben/1", "lost"])
        assert [failure.kind for failure in done.failures] == ["no-face", "several-faces", "image"]
