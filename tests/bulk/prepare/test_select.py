"""Selection of faces that are worth training on."""

import numpy as np
import pytest
from PIL import Image

from facespace.bulk.prepare.select import Candidate, duplicates, main_faces, small_form, strangers


def candidate(photo, side=50):
    return Candidate(photo, f"{photo}.png", (0, 0, side, side), 0.9, 0.5, 30)


def points_of(rng, *people):
    """Points on the sphere, close to one direction per person."""
    centres = rng.normal(size=(max(people) + 1, 64))
    points = centres[list(people)] + rng.normal(size=(len(people), 64)) * 0.3
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)


def test_without_a_model_the_largest_face_is_chosen():
    faces = [candidate("a", 20), candidate("a", 60), candidate("b", 30)]
    assert main_faces(faces, None).tolist() == [1, 2]


def test_the_face_similar_to_the_other_photos_is_chosen_even_if_small(rng):
    faces = [candidate("a"), candidate("b"), candidate("c"), candidate("d", 90), candidate("d", 20)]
    assert main_faces(faces, points_of(rng, 0, 0, 0, 1, 0)).tolist() == [0, 1, 2, 4]


def test_a_stranger_among_a_persons_photos_is_flagged(rng):
    assert strangers(points_of(rng, 0, 0, 1, 0, 0), 0.8).tolist() == [False, False, True, False, False]


def test_of_two_faces_neither_is_a_stranger(rng):
    assert not strangers(points_of(rng, 0, 1), 0.8).any()
    assert strangers(np.empty((0, 64), np.float32), 0.8).shape == (0,)


@pytest.fixture
def faces(people):
    """Aligned pictures of six people, three photos each."""
    files = [people / f"s{person}" / f"{number}.pgm" for person in range(1, 7) for number in (1, 5, 9)]
    return [np.asarray(Image.open(file).convert("RGB").resize((128, 128))) for file in files]


def test_rescaled_and_brightened_copies_are_duplicates_of_the_better_one(faces):
    small = np.asarray(Image.fromarray(faces[0]).resize((50, 50)).resize((128, 128)))
    bright = np.clip(faces[0].astype(int) + 30, 0, 255).astype(np.uint8)
    forms = np.stack([small_form(face) for face in (small, faces[0], bright, faces[3])])
    assert duplicates(forms, np.array([0.2, 0.9, 0.5, 0.1])) == {0: 1, 2: 1}


def test_faces_of_other_people_are_never_duplicates(faces):
    forms = np.stack([small_form(face) for face in faces[::3]])
    assert duplicates(forms, np.zeros(len(forms))) == {}


def test_a_picture_without_contrast_has_no_duplicates():
    forms = np.stack([small_form(np.full((128, 128, 3), grey, np.uint8)) for grey in (0, 200)])
    assert np.isfinite(forms).all()
    assert duplicates(forms, np.zeros(2)) == {}
