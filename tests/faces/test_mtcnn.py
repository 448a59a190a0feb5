"""The default detector, on real faces."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facespace.faces import TEMPLATES, Aligned, Mtcnn, mapped, mtcnn
from facespace.faces.align import TemplateCrop


@pytest.fixture(scope="module")
def detector():
    return Mtcnn()


def test_a_batch_gives_the_same_results_as_single_photos(detector, portraits, lay_out_faces):
    images = [lay_out_faces(portraits[:2])[0], lay_out_faces(portraits[2:6], 0.7)[0], np.zeros((30, 30, 3), np.uint8)]
    together = detector(images)
    for image, found in zip(images, together, strict=True):
        (alone,) = detector([image])
        assert found.boxes == pytest.approx(alone.boxes, abs=1e-3)
        assert found.landmarks == pytest.approx(alone.landmarks, abs=1e-3)
    assert detector([]) == []


@pytest.mark.parametrize("shape", [(1, 1, 3), (5, 400, 3), (19, 19, 3), (300, 300, 3)])
def test_no_face_is_found_in_noise_and_plain_images(detector, shape, rng):
    for image in (np.zeros(shape, np.uint8), rng.integers(0, 256, shape, dtype=np.uint8)):
        (found,) = detector([image])
        assert found.boxes.shape == (0, 4)
        assert found.landmarks.shape == (0, 5, 2)


def test_faces_below_the_smallest_size_are_not_detected(portraits, lay_out_faces):
    image, _ = lay_out_faces(portraits, 0.5)
    (found,) = Mtcnn(smallest=120)([image])
    assert len(found.boxes) == 0


@pytest.mark.parametrize("light", [0.2, 0.05])
def test_faces_in_the_dark_are_found(detector, portraits, lay_out_faces, light):
    image, _ = lay_out_faces(portraits)
    (found,) = detector([(image * light).astype(np.uint8)])
    assert len(found.boxes) == len(portraits)


def test_a_black_picture_has_no_faces(detector, rng):
    assert len(detector([np.zeros((200, 200, 3), np.uint8)])[0].boxes) == 0
    assert len(detector([rng.integers(0, 4, (200, 200, 3), np.uint8)])[0].boxes) == 0


@settings(max_examples=25, deadline=None)
@given(width=st.integers(12, 320), height=st.integers(12, 40))
def test_the_first_network_gives_the_same_results_in_strips(detector, width, height):
    image = np.random.default_rng(width * height).integers(0, 256, (height, width, 3), dtype=np.uint8)
    for whole, strips in zip(detector._run(0, image[None]), detector._look_everywhere(image), strict=True):
        assert (whole == strips).all()


def test_a_very_large_picture_is_searched_at_a_coarser_level(monkeypatch, portraits, lay_out_faces):
    image, _ = lay_out_faces(portraits[:2])
    rows, columns = image.shape[:2]
    monkeypatch.setattr(mtcnn, "LARGEST_LEVEL", rows * columns * 0.09)
    small, _ = lay_out_faces(portraits[:2], 0.3)
    assert len(Mtcnn()([image])[0].boxes) == 2
    assert len(Mtcnn(smallest=40)([image])[0].boxes) == 2
    shrunk = np.full_like(image, 128)
    shrunk[: small.shape[0], : small.shape[1]] = small
    assert len(Mtcnn()([shrunk])[0].boxes) == 0


def test_a_face_cut_by_the_border_is_found(detector, portraits, lay_out_faces):
    image, _ = lay_out_faces(portraits[:1], 2)
    (found,) = detector([image[:, 65:]])
    assert len(found.boxes) == 1


def test_an_aligned_face_needs_no_detector(detector, portraits, lay_out_faces):
    image, _ = lay_out_faces(portraits[:1], 2)
    (found,) = detector([image])
    matrix = TemplateCrop("arcface-112", margin=8 / 112).matrix(found.landmarks[0], 128, 128)
    there = mapped(found.landmarks[0], matrix)
    (aligned,) = Aligned()([np.zeros((128, 128, 3), np.uint8)])
    assert np.abs(aligned.landmarks[0] - there).max() < 8
    assert aligned.landmarks[0] == pytest.approx(TEMPLATES["arcface-112"] * 112 + 8 - 0.5, abs=1e-4)
    assert aligned.boxes[0] == pytest.approx([8, 8, 120, 120], abs=1e-4)
