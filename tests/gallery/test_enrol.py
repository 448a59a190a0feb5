"""Enrolment checks its photos."""

from dataclasses import replace

import numpy as np
import pytest
from points import NamedSpace, point

from facespace.errors import GalleryError
from facespace.faces import Quality
from facespace.gallery import (
    Gallery,
    NotEnrolledError,
    enrol_people,
    largest_face,
    last_entry,
    unlike_others,
)

GOOD = Quality(0.6, 60, 0.2, 0.5, 0.2, 3, 2, 1, 0.1)


@pytest.fixture
def gallery(tmp_path):
    with Gallery(tmp_path / "people.db", NamedSpace()) as opened:
        yield opened


def test_a_duplicate_photo_is_stored_once(gallery):
    done = gallery.enrol("Ada", ["Ada/1", "Ada/2", "Ada/1"])
    assert done.faces == 2
    assert [(failure.photo, "already" in failure.reason) for failure in done.duplicates] == [("Ada/1", True)]
    again = gallery.enrol("Ada", ["Ada/2", "Ada/3"])
    assert (again.faces, len(again.duplicates)) == (1, 1)
    assert gallery.people()[0].faces == 3
    assert gallery.enrol("Ada", ["Ada/3"]).faces == 0


def test_a_stranger_in_a_batch_is_left_out_unless_accepted(gallery):
    done = gallery.enrol("Ada", ["Ada/1", "Ada/2", "Ada/3", "Ben/1"])
    assert done.faces == 3
    assert [failure.photo for failure in done.doubtful] == ["Ben/1"]
    assert "looks like somebody else" in done.doubtful[0].reason
    assert done.outliers == ()
    with pytest.raises(GalleryError, match="no photo of 'Ada' can be enrolled: looks like somebody else"):
        gallery.enrol("Ada", ["Cleo/1"])
    assert gallery.people()[0].faces == 3
    accepted = gallery.enrol("Ada", ["Cleo/1"], accept_doubtful=True)
    assert accepted.faces == 1
    assert [failure.photo for failure in accepted.outliers] == ["Cleo/1"]


def test_the_caller_is_asked_before_anything_is_enrolled(gallery):
    asked = []

    def answer(doubt):
        asked.append((doubt.name, doubt.photos, gallery.people()))
        return "Ben" in doubt.photos[0]

    done = gallery.enrol("Ada", ["Ada/1", "Ada/2", "Ada/3", "Ben/1", "Cleo/1"], accept_doubtful=answer)
    assert asked == [("Ada", ("Ben/1",), []), ("Ada", ("Cleo/1",), [])]
    assert (done.faces, [f.photo for f in done.doubtful], [f.photo for f in done.outliers]) == (
        4,
        ["Cleo/1"],
        ["Ben/1"],
    )


@pytest.mark.parametrize("count", [2, 5, 30])
def test_many_peoples_photos_under_one_name_are_refused(gallery, count):
    photos = [f"P{number}/1" for number in range(count)]
    with pytest.raises(GalleryError, match=rf"the {count} photos look like several people \(at most 1 of them"):
        gallery.enrol("Ada", photos)
    assert gallery.people() == []
    assert gallery.enrol("Ada", photos, accept_doubtful=lambda doubt: len(doubt.photos) == count).faces == count


@pytest.mark.parametrize("order", [1, -1])
def test_the_result_does_not_depend_on_the_order_of_the_photos(gallery, order):
    photos = ["Ben/1", "Ada/1", "Ada/2", "Ada/3"][::order]
    assert [failure.photo for failure in gallery.enrol("Ada", photos).doubtful] == ["Ben/1"]


def test_undoing_an_enrolment_deletes_a_person_it_created(gallery):
    gallery.enrol("Ada", ["Ada/1", "Ada/2"])
    gallery.enrol("Ada", ["Ada/3"])
    gallery.enrol("Ben", ["Ben/1"])
    undone = gallery.undo_enrol("Ada")
    assert (undone.name, undone.faces, undone.gone) == ("Ada", 1, False)
    assert [face.photo for face in gallery.faces("Ada")] == ["Ada/1", "Ada/2"]
    assert gallery.identify("Ada/9")[0].name == "Ada"
    undone = gallery.undo_enrol("Ada")
    assert (undone.faces, undone.gone) == (2, True)
    assert [person.name for person in gallery.people()] == ["Ben"]
    assert gallery.identify("Ada/9")[0].name is None
    with pytest.raises(GalleryError, match="there is no 'Ada'"):
        gallery.undo_enrol("Ada")
    assert [event.action for event in gallery.audit()].count("undo enrol") == 2
    gallery.store.audit.verify()


def test_an_enrolment_can_be_undone_once_and_moved_faces_stay(gallery):
    gallery.enrol("Ada", ["Ada/1"])
    gallery.enrol("Ben", ["Ben/1", "Ben/2"])
    gallery.move(gallery.faces("Ben")[0].id, "Ada")
    assert gallery.undo_enrol("Ben").faces == 1
    assert gallery.undo_enrol("Ada").faces == 1
    assert [face.photo for face in gallery.faces("Ada")] == ["Ben/1"]
    with pytest.raises(GalleryError, match="no enrolment of 'Ada' to undo"):
        gallery.undo_enrol("Ada")


def test_the_face_to_enrol_can_be_chosen_from_several(gallery):
    with pytest.raises(GalleryError, match="2 faces found.*choose the face"):
        gallery.enrol("Ada", ["Ben/1+Ada/1"])
    seen = []

    def second(photo, faces):
        seen.append((photo, len(faces)))
        return 1

    assert gallery.enrol("Ada", ["Ada/2", "Ben/1+Ada/1"], choose=second).faces == 2
    assert seen == [("Ben/1+Ada/1", 2)]
    assert gallery.identify("Ada/1")[0].name == "Ada"
    done = gallery.enrol("Ada", ["Ada/3", "Ben/1+Ada/4"], choose=lambda photo, faces: None)
    assert [failure.reason for failure in done.failures] == ["2 faces found, and none was chosen"]
    assert gallery.enrol("Ben", "Ben/1+Ada/1", choose=largest_face).faces == 1
    assert gallery.identify("Ben/1")[0].name == "Ben"


def test_a_folder_of_people_can_be_enrolled_and_undone_as_a_whole(gallery, tmp_path):
    gallery.enrol("Zoe", ["Zoe/1"])
    before = last_entry(gallery.store)
    for name in ("Ada/1.jpg", "Ada/2.jpg", "Ben/1.jpg", "Ben/no.jpg", "Mixed/1.jpg", "Mixed/2.jpg"):
        (tmp_path / "people" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "people" / name).touch()
    (tmp_path / "people" / "whose.jpg").touch()

    class Named:
        """Takes a file's person from its folder; each photo of Mixed shows somebody else."""

        def __getattr__(self, name):
            return getattr(gallery._space, name)

        def faces(self, photo, crops=False):
            person = photo.stem if photo.parent.name == "Mixed" else photo.parent.name
            return [] if photo.stem == "no" else gallery._space.faces(f"{person}/{photo.stem}")

    with Gallery(tmp_path / "people.db", Named()) as same:
        skipped = []
        done = list(enrol_people(same, tmp_path / "people", on_skipped=skipped.append))
        assert [(p.name, p.photos, p.enrolment and p.enrolment.faces) for p in done] == [
            ("Ada", 2, 2),
            ("Ben", 2, 1),
            ("Mixed", 2, None),
        ]
        assert "several people" in done[2].failure
        again = list(enrol_people(same, tmp_path / "people", on_skipped=skipped.append))
        assert [p.enrolment and p.enrolment.faces for p in again] == [0, 0, None]
        assert {entry.path.name for entry in skipped} == {"whose.jpg"}
        undone = same.undo_enrolments_after(before)
        assert {(u.name, u.faces, u.gone) for u in undone} == {("Ada", 2, True), ("Ben", 1, True)}
        assert [person.name for person in same.people()] == ["Zoe"]


def test_faces_unlike_the_others_of_their_person_are_flagged_afterwards():
    points = np.stack([point("Ada", number) for number in (1, 2, 3)] + [point("Ben", 1)])
    assert unlike_others(points, NamedSpace().decision()) == [False, False, False, True]
    assert unlike_others(points[:1], NamedSpace().decision()) == [False]


def test_an_enrolment_reports_lookalikes_under_other_names(gallery):
    gallery.enrol("Ada", ["Ada/1", "Ada/2"])
    assert [other.name for other in gallery.enrol("Augusta", ["Ada/3"]).lookalikes] == ["Ada"]
    assert gallery.enrol("Ben", ["Ben/1"]).lookalikes == ()
    assert gallery.enrol("Ada", ["Ada/4"]).lookalikes[0].name == "Augusta"


def test_a_face_of_low_quality_is_rejected_with_the_reason(tmp_path):
    class Judging(NamedSpace):
        def faces(self, photo, crops=False):
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
        assert gallery.enrol("Ben", "Ben/bad", min_quality=0).faces == 1


def test_attributes_are_stored_replaced_and_validated(gallery):
    gallery.enrol("Ada", "Ada/1", {"team": 3, "tags": ["früh"]})
    gallery.enrol("Ada", "Ada/2")
    assert gallery.people()[0].attributes == {"team": 3, "tags": ["früh"]}
    gallery.enrol("Ada", "Ada/3", {})
    assert gallery.people()[0].attributes == {}
    with pytest.raises(GalleryError, match="must be JSON"):
        gallery.enrol("Ada", "Ada/4", {"when": object()})
    assert gallery.people()[0].faces == 3


def test_a_photo_of_two_faces_is_not_enrolled(gallery):
    with pytest.raises(GalleryError, match="2 faces found, but a photo to enrol must show only one"):
        gallery.enrol("Ada", "Ada/1+Ben/1")


def test_a_chosen_face_of_a_group_photo_is_enrolled(tmp_path):
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


def test_each_failure_names_its_kind(tmp_path):
    space = NamedSpace()
    space.lost.add("lost")
    with Gallery(tmp_path / "people.db", space) as gallery:
        done = gallery.enrol("Ada", ["Ada/1", "+", "Ada/1+Ben/1", "lost"])
        assert [failure.kind for failure in done.failures] == ["no-face", "several-faces", "image"]
