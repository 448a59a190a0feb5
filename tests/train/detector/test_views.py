"""Views of photos: what is cut out, and where its faces are then."""

import numpy as np
import pytest

from facespace.train.detector.photos import Labels
from facespace.train.detector.views import MIRRORED, training_view

SIDE = 160


def painted(boxes, height=300, width=400):
    """A dark photo with a bright rectangle for each face, and labels whose landmarks are its corners and middle."""
    pixels = np.full((height, width, 3), 40, np.uint8)
    for left, top, right, bottom in boxes:
        pixels[top:bottom, left:right] = 220
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    landmarks = np.stack(
        [boxes[:, :2], boxes[:, [2, 1]], (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, [0, 3]], boxes[:, 2:]], axis=1
    )
    return pixels, Labels(boxes, landmarks, np.ones(len(boxes), np.float32), np.zeros(len(boxes), bool))


@pytest.fixture
def plain(monkeypatch):
    """Views without other light, covers and tilts, which would hide where a rectangle is."""
    views = "facespace.train.detector.views"
    monkeypatch.setattr(f"{views}._relit", lambda canvas, generator: canvas)
    monkeypatch.setattr(f"{views}._covered", lambda canvas, boxes, generator: canvas)
    monkeypatch.setattr(f"{views}._tilted", lambda canvas, boxes, points, generator: (canvas, boxes, points))


@pytest.mark.usefixtures("plain")
def test_boxes_and_landmarks_go_where_the_pixels_go():
    pixels, labels = painted([(120, 90, 200, 190)])
    seen = 0
    for seed in range(60):
        view = training_view(pixels, labels, SIDE, np.random.default_rng(seed))
        if len(view.boxes) != 1:
            continue
        seen += 1
        left, top, right, bottom = view.boxes[0]
        rows, columns = np.nonzero((view.pixels > 180).all(axis=2))
        filled = view.pixels[0, 0].min() > 180 or view.pixels[-1, -1].min() > 180
        if filled:
            continue
        assert abs(columns.min() - left) <= 1.6
        assert abs(columns.max() + 1 - right) <= 1.6
        assert abs(rows.min() - top) <= 1.6
        assert abs(rows.max() + 1 - bottom) <= 1.6
        inside = view.landmarks[0, 2]
        if (inside > 0).all() and (inside < SIDE).all() and min(left, top) > 0 and max(right, bottom) < SIDE:
            assert inside == pytest.approx([(left + right) / 2, (top + bottom) / 2], abs=0.1)
            assert view.landmarks[0, 0] == pytest.approx([left, top], abs=0.1)
    assert seen > 20


def test_a_mirror_image_swaps_left_and_right():
    assert np.array(MIRRORED)[MIRRORED].tolist() == [0, 1, 2, 3, 4]
    assert MIRRORED[2] == 2


def test_faces_too_small_cut_off_or_marked_are_not_judged():
    pixels, labels = painted([(120, 90, 200, 190), (10, 10, 14, 14), (300, 200, 360, 260)])
    marked = Labels(labels.boxes, labels.landmarks, labels.trust, np.array([False, False, True]))
    for seed in range(40):
        view = training_view(pixels, marked, SIDE, np.random.default_rng(seed))
        assert view.ignored.shape == (SIDE // 8, SIDE // 8)
        assert len(view.boxes) <= 1
        assert ((view.boxes >= 0) & (view.boxes <= SIDE)).all()
        sides = view.boxes[:, 2:] - view.boxes[:, :2]
        assert (sides.prod(axis=1) >= 63).all()


def test_a_view_follows_from_its_seed():
    pixels, labels = painted([(120, 90, 200, 190)])
    first, again = (training_view(pixels, labels, SIDE, np.random.default_rng(7)) for _ in range(2))
    assert (first.pixels == again.pixels).all()
    assert (first.boxes == again.boxes).all()


def test_photos_smaller_than_a_view_and_without_faces_give_views():
    pixels, labels = painted([], 20, 700)
    for seed in range(10):
        view = training_view(pixels, labels, SIDE, np.random.default_rng(seed))
        assert view.pixels.shape == (SIDE, SIDE, 3)
        assert view.boxes.shape == (0, 4)


@pytest.mark.usefixtures("plain")
def test_a_photo_smaller_than_the_view_fills_most_of_it():
    pixels, labels = painted([], height=80, width=80)
    sides = []
    for seed in range(40):
        lit = (training_view(pixels, labels, SIDE, np.random.default_rng(seed)).pixels == 40).all(axis=2)
        sides.append(lit.any(axis=0).sum())
    # Less than 70 % only by the rounding to whole pixels.
    assert min(sides) >= 0.7 * SIDE - 2
    assert max(sides) < SIDE
