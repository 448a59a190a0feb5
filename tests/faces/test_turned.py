"""Photos stored on their side or upside down without an EXIF orientation."""

import numpy as np
import pytest

from facespace.faces import CROPS, Detections, Finder, Mtcnn, OneShot, default_finder
from facespace.faces.turned import look_turned


class Counting(Mtcnn):
    """Counts the pixels it was asked to search."""

    def __init__(self):
        super().__init__()
        self.pixels = 0

    def __call__(self, images):
        self.pixels += sum(image.shape[0] * image.shape[1] for image in images)
        return super().__call__(images)


def there(points, image, turns):
    """Positions of points of an image after rotating it, found by rotating a marked image."""
    rows, columns = (np.rot90(grid, turns) for grid in np.indices(image.shape[:2]))
    found = []
    for x, y in points:
        distance = np.hypot(columns - x, rows - y)
        row, column = np.unravel_index(distance.argmin(), distance.shape)
        found.append((column, row))
    return np.array(found, float)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_faces_of_a_rotated_photo_are_found_in_its_own_pixels(portraits, lay_out_faces, turns):
    image, _ = lay_out_faces(portraits[:3])
    finder = default_finder()
    upright, turned = finder.find(image), finder.find(np.rot90(image, turns).copy())
    assert (turned.width, turned.height) == (np.rot90(image, turns).shape[1::-1])
    assert len(upright.faces) == len(turned.faces) == 3
    for a, b in zip(upright.faces, turned.faces, strict=True):
        # The face image is the same; eyes, nose and mouth are named as in an upright face.
        assert (a.pixels == b.pixels).all()
        assert np.abs(there(a.landmarks, image, turns) - b.landmarks).max() < 0.75
        corners = np.array(a.box).reshape(2, 2)
        moved = there(np.clip(corners, 0, np.array(image.shape[1::-1]) - 1), image, turns)
        assert np.abs(np.concatenate([moved.min(axis=0), moved.max(axis=0)]) - b.box).max() < 1.6
        # Anticlockwise: a quarter turn is -90 degrees.
        gap = b.quality.roll - a.quality.roll + 90 * turns
        assert abs((gap + 180) % 360 - 180) < 0.1
        assert b.quality.value == a.quality.value


def test_a_box_crop_of_a_rotated_photo_is_upright(portraits, lay_out_faces):
    image, _ = lay_out_faces(portraits[:1], 2)
    finder = Finder(Mtcnn(), CROPS["box"], 64, 64)
    (upright,), (turned,) = finder.find(image).faces, finder.find(image[::-1, ::-1].copy()).faces
    assert (upright.pixels == turned.pixels).all()


def test_a_scaled_down_rotated_photo_has_faces_in_pixels_of_the_photo(portraits, lay_out_faces):
    image, _ = lay_out_faces(portraits[:2], 3)
    stored = np.rot90(image).copy()
    whole, reduced = default_finder().find(stored), default_finder(longest=400).find(stored)
    for a, b in zip(whole.faces, reduced.faces, strict=True):
        assert np.abs(a.landmarks - b.landmarks).max() < 0.1 * a.quality.eye_distance
    assert len(reduced.faces) == 2


def test_a_photo_with_a_confident_face_is_detected_once(portraits, lay_out_faces):
    image, _ = lay_out_faces(portraits[:3])
    detector = Counting()
    assert len(Finder(detector, CROPS["arcface-112"], 112, 112).find(image).faces) == 3
    assert detector.pixels == image.shape[0] * image.shape[1]


def test_a_photo_without_faces_costs_less_than_a_second_detection_at_full_size(rng):
    for image in (np.full((200, 300, 3), 90, np.uint8), rng.integers(0, 256, (200, 300, 3), np.uint8)):
        detector = Counting()
        assert Finder(detector, CROPS["arcface-112"], 112, 112).find(image).faces == ()
        assert detector.pixels <= 2 * 200 * 300


def test_a_detector_without_second_look_scores_runs_once(portraits, lay_out_faces):
    class Plain(Counting):
        second_look = None

    image, _ = lay_out_faces(portraits[:3])
    detector = Plain()
    Finder(detector, CROPS["arcface-112"], 112, 112).find(image[::-1].copy())
    assert detector.pixels == image.shape[0] * image.shape[1]


class Scored:
    """A stub that gives one face, whose score depends on whether the photo is higher than wide."""

    gives_landmarks = False
    second_look = OneShot.second_look

    def __init__(self, stored, rotated):
        self.scores = {False: stored, True: rotated}

    def __call__(self, images):
        boxes = np.array([[0, 0, 9, 9]], np.float32)
        return [
            Detections(boxes, None, np.array([self.scores[image.shape[0] > image.shape[1]]], np.float32))
            for image in images
        ]


@pytest.mark.parametrize(("stored", "rotated", "turns"), [(0.9, 0.99, 1), (0.9, 0.7, 0), (0.985, 0.99, 0)])
def test_a_photo_is_rotated_if_a_face_scores_higher_there_and_none_is_certain_as_stored(stored, rotated, turns):
    image, detector = np.zeros((40, 60, 3), np.uint8), Scored(stored, rotated)
    assert look_turned(image, detector([image])[0], detector)[0] == turns
