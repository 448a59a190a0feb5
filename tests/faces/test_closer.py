"""The closer look at the part of a photo where the detector is unsure."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facespace.faces import OneShot, closer
from facespace.faces.candidates import Candidates, joined, logit, mirrored

WIDTH, HEIGHT = 800, 600


def candidates(*rows):
    """Candidates from (left, top, side, score), with landmarks in the middle of the box."""
    values = np.array(rows, np.float32).reshape(-1, 4)
    corners, side = values[:, :2], values[:, 2:3]
    points = np.repeat((corners + side / 2)[:, None], 5, axis=1)
    return Candidates(np.concatenate([corners, corners + side], axis=1), points, values[:, 3])


def both(first, second, part):
    return closer.combined(first, second, part, WIDTH, HEIGHT, 1.0)


@pytest.mark.parametrize("score", [0.2, 0.7])
def test_a_photo_of_which_the_detector_is_sure_is_not_looked_at_again(score):
    assert closer.uncertain_part(candidates((50, 50, 40, score)), WIDTH, HEIGHT, 1.0) is None
    assert closer.uncertain_part(candidates(), WIDTH, HEIGHT, 1.0) is None


def test_the_part_has_all_unsure_candidates_and_a_margin_within_the_photo():
    first = candidates((100, 150, 40, 0.5), (300, 560, 60, 0.3), (700, 20, 40, 0.99))
    assert closer.uncertain_part(first, WIDTH, HEIGHT, 1.0) == (52, 102, 408, 600)
    # At half the scale, the margin is twice as wide in the photo.
    assert closer.uncertain_part(first, WIDTH, HEIGHT, 0.5) == (4, 54, 456, 600)


def test_a_large_face_is_not_enlarged():
    assert closer.uncertain_part(candidates((100, 100, 90, 0.5)), WIDTH, HEIGHT, 1.0) is None


def test_of_a_face_that_both_looks_see_the_logits_are_averaged():
    first, second = candidates((100, 100, 40, 0.5)), candidates((104, 100, 40, 0.9))
    found = both(first, second, closer.Part(0, 0, 300, 300))
    assert logit(found.scores)[0] == pytest.approx((logit(np.array(0.5)) + logit(np.array(0.9))) / 2, rel=1e-4)
    # The box of the look with the higher score counts more.
    assert found.boxes[0, 0] == pytest.approx(100 + 4 * 0.9 / 1.4, rel=1e-4)
    assert found.landmarks[0, 0, 0] == pytest.approx(120 + 4 * 0.9 / 1.4, rel=1e-4)


def test_the_score_falls_if_only_one_look_sees_a_face():
    first, second = candidates((100, 100, 40, 0.5)), candidates((200, 100, 40, 0.9))
    found = both(first, second, closer.Part(0, 0, 300, 300))
    np.testing.assert_allclose(logit(found.scores), logit(np.array([0.5, 0.9])) - closer.ALONE, rtol=1e-4)


@pytest.mark.parametrize(
    "row",
    [(500, 100, 40, 0.5), (275, 100, 40, 0.5), (100, 100, 40, 0.03), (0, 0, 90, 0.5)],
    ids=["outside", "cut by the border of the part", "a very low score", "large"],
)
def test_what_the_closer_look_cannot_judge_stays_as_it_was(row):
    first = candidates(row)
    found = both(first, candidates(), closer.Part(0, 0, 300, 300))
    np.testing.assert_array_equal(found.boxes, first.boxes)
    np.testing.assert_array_equal(found.scores, first.scores)


@pytest.mark.parametrize(
    ("first", "second"),
    [((100, 100, 63, 0.8), (100, 100, 65, 0.99)), ((240, 100, 43, 0.8), (240, 100, 45, 0.99))],
    ids=["size", "border of the part"],
)
def test_a_partner_may_lie_just_beyond_the_limits(first, second):
    found = both(candidates(first), candidates(second), closer.Part(0, 0, 300, 300))
    assert len(found.scores) == 1
    assert found.scores[0] > 0.9
    # Without a partner it is not taken.
    assert len(both(candidates(), candidates(second), closer.Part(0, 0, 300, 300)).scores) == 0


def test_a_face_at_the_border_of_the_photo_is_compared():
    first, second = candidates((0, 0, 40, 0.5)), candidates((-1, 0, 40, 0.5))
    found = both(first, second, closer.Part(0, 0, 300, 300))
    assert found.scores == pytest.approx([0.5])


def test_each_face_has_one_partner_and_the_best_comes_first():
    first = candidates((100, 100, 40, 0.6), (110, 100, 40, 0.4))
    found = both(first, candidates((104, 100, 40, 0.6)), closer.Part(0, 0, 300, 300))
    assert found.scores[0] == pytest.approx(0.6)
    assert logit(found.scores[1:]) == pytest.approx(logit(np.array([0.4])) - closer.ALONE, rel=1e-4)


@given(st.lists(st.tuples(*[st.floats(-50, 500, width=32)] * 2, st.floats(1, 99, width=32), st.floats(0, 1, width=32))))
def test_the_mirror_image_of_a_mirror_image_is_the_picture(rows):
    found = candidates(*rows)
    again = mirrored(mirrored(found, 640), 640)
    for ours, theirs in zip(again, found, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-3)


def test_no_candidates_are_combined_to_none():
    assert len(joined([candidates()]).scores) == 0
    assert len(both(candidates(), candidates(), closer.Part(0, 0, 9, 9)).scores) == 0


@pytest.fixture
def crowd(portraits, lay_out_faces):
    """A picture of faces so small that one look misses some of them."""
    return lay_out_faces(portraits, 0.2)[0]


def found_in(image, **options):
    (found,) = OneShot(**options)([image])
    return len(found.scores)


def test_small_faces_are_found_that_one_look_misses(crowd, monkeypatch):
    more = found_in(crowd)
    monkeypatch.setattr(closer, "UNCERTAIN", (2.0, 3.0))
    assert more > found_in(crowd)


def test_a_smallest_face_that_needs_no_tiles_changes_nothing(crowd):
    assert found_in(crowd, smallest=20) == found_in(crowd)


def test_a_very_dark_photo_is_brightened_for_the_closer_look_too(crowd):
    assert found_in(crowd // 8) == found_in(crowd)


def test_photos_together_give_what_each_gives_alone(crowd, portraits, lay_out_faces):
    images = [crowd, lay_out_faces(portraits[:2])[0], np.asfortranarray(crowd)]
    counts = [len(found.scores) for found in OneShot()(images)]
    assert counts == [found_in(image) for image in images]
    assert counts[0] == counts[2]


@pytest.mark.parametrize("shape", [(5000, 1), (1, 5000), (2, 2)])
def test_photos_of_extreme_shapes_are_searched(shape, monkeypatch):
    # So that everything is uncertain.
    monkeypatch.setattr(closer, "UNCERTAIN", (0.0, 1.0))
    noise = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    assert found_in(noise, score=0.01) >= 0
