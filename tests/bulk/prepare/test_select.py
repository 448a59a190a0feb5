"""Which faces are worth training on."""

import numpy as np
import pytest
from PIL import Image

from facespace.bulk.prepare.select import Candidate, duplicates, main_faces, small_form, strangers


def candidate(photo, side=50):
    return Candidate(photo, f"{photo}.png", (0, 0, side, side), 0.9, 0.5, 30)


def points_of(rng, *people):
    """Points on the sphere, near one direction a person."""
    centres = rng.normal(size=(max(people) + 1, 64))
    points = centres[list(people)] + rng.normal(size=(len(people), 64)) * 0.3
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)


def test_the_largest_face_is_the_persons_where_nothing_else_is_known():
    faces = [candidate("a", 20), candidate("a", 60), candidate("b", 30)]
    assert main_faces(faces, None).tolist() == [1, 2]


def test_the_face_like_those_of_the_other_photos_is_the_persons_even_if_it_is_small(rng):
    faces = [candidate("a"), candidate("b"), candidate("c"), candidate("d", 90), candidate("d", 20)]
    assert main_faces(faces, points_of(rng, 0, 0, 0, 1, 0)).tolist() == [0, 1, 2, 4]


def test_a_stranger_among_a_persons_photos_is_flagged(rng):
    assert strangers(points_of(rng, 0, 0, 1, 0, 0), 0.8).tolist() == [False, False, True, False, False]


def test_of_two_faces_nobody_can_say_which_is_wrong(rng):
    assert not strangers(points_of(rng, 0, 1), 0.8).any()
    assert strangers(np.empty((0, 64), np.float32), 0.8).shape == (0,)


@pytest.fixture
def faces(people):
    """Aligned-size pictures of six people, three photos each."""
    files = [people / f"s{person}" / f"{number}.pgm" for person in range(1, 7) for number in (1, 5, 9)]
    return [np.asarray(Image.open(file).convert("RGB").resize((128, 128))) for file in files]


def test_the_same_picture_saved_smaller_or_brighter_is_folded_into_the_better(faces):
    small = np.asarray(Image.fromarray(faces[0]).resize((50, 50)).resize((128, 128)))
    bright = np.clip(faces[0].astype(int) + 30, 0, 255).astype(np.uint8)
    forms = np.stack([small_form(face) for face in (small, faces[0], bright, faces[3])])
    assert duplicates(forms, np.array([0.2, 0.9, 0.5, 0.1])) == {0: 1, 2: 1}


def test_other_people_are_never_the_same_picture(faces):
    forms = np.stack([small_form(face) for face in faces[::3]])
    assert duplicates(forms, np.zeros(len(forms))) == {}


def test_a_picture_without_contrast_is_like_nothing():
    forms = np.stack([small_form(np.full((128, 128, 3), grey, np.uint8)) for grey in (0, 200)])
    assert np.isfinite(forms).all()
    assert duplicates(forms, np.zeros(2)) == {}
