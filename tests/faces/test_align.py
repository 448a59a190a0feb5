"""From landmarks to the network's input image."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facespace.errors import ModelError
from facespace.faces import CROPS, TEMPLATES, inverse, mapped, similarity, warp
from facespace.faces.align import TemplateCrop

finite = st.floats(-500, 500, allow_nan=False, width=32)


def umeyama(source, target):
    """Umeyama, 1991, equations 40 to 43, by singular value decomposition."""
    a, b = source - source.mean(axis=0), target - target.mean(axis=0)
    u, d, v = np.linalg.svd(b.T @ a / len(a))
    sign = np.diag([1, np.sign(np.linalg.det(u) * np.linalg.det(v))])
    rotation = u @ sign @ v
    scale = (d * np.diag(sign)).sum() / a.var(axis=0).sum()
    return np.column_stack([scale * rotation, target.mean(axis=0) - scale * rotation @ source.mean(axis=0)])


def test_the_closed_form_matches_umeyama(rng):
    source, target = rng.normal(size=(50, 5, 2)) * 40, rng.normal(size=(50, 5, 2)) * 40
    expected = np.stack([umeyama(a, b) for a, b in zip(source, target, strict=True)])
    assert similarity(source, target) == pytest.approx(expected, abs=1e-9)


@settings(max_examples=100, deadline=None)
@given(angle=st.floats(-3.1, 3.1), scale=st.floats(0.05, 20), x=finite, y=finite)
def test_a_similarity_is_recovered_and_inverted(angle, scale, x, y):
    points = TEMPLATES["arcface-112"] * 112
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved = points @ turn.T + (x, y)
    matrix = similarity(points, moved)
    assert mapped(points, matrix) == pytest.approx(moved, abs=1e-6 * (1 + scale) * 500)
    assert mapped(moved, inverse(matrix)) == pytest.approx(points, abs=1e-5)


def test_coinciding_points_give_a_translation():
    matrix = similarity(np.ones((5, 2)), np.full((5, 2), 3.0))
    assert matrix == pytest.approx(np.array([[1, 0, 2], [0, 1, 2]]))


def test_the_template_has_the_published_coordinates():
    points = np.array(
        [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
    )
    matrix = TemplateCrop("arcface-112").matrix(points, 112, 112)
    assert matrix == pytest.approx(np.array([[1, 0, 0], [0, 1, 0]]), abs=1e-9)


@pytest.mark.parametrize("size", [(112, 112), (56, 56), (224, 224), (96, 112), (150, 100)])
def test_landmarks_match_the_template_at_any_size(size):
    width, height = size
    points = TEMPLATES["arcface-112"] * 300 + (40, 90)
    there = mapped(points, TemplateCrop("arcface-112").matrix(points, width, height))
    side = min(size)
    corner = (np.array(size) - side) / 2
    assert there == pytest.approx(TEMPLATES["arcface-112"] * side + corner - 0.5, abs=1e-6)


def dotted(size, point, radius):
    rows, columns = np.mgrid[:size, :size]
    dark = np.exp(-((columns - point[0]) ** 2 + (rows - point[1]) ** 2) / (2 * radius**2))
    return np.repeat(np.rint(255 * (1 - dark)).astype(np.uint8)[..., None], 3, axis=2)


@pytest.mark.parametrize("angle", [0, 0.4, -1.2, 3])
@pytest.mark.parametrize("scale", [0.6, 2, 5.5])
def test_a_dot_on_a_landmark_is_drawn_at_the_templates_position(angle, scale):
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    template = TEMPLATES["arcface-112"] * 112 - 0.5
    points = (template - 56) @ turn.T + 500
    for x, y in points[:3]:
        image = dotted(1000, (x, y), radius=2 * scale)
        crop = CROPS["arcface-112"](image, np.zeros(4, np.float32), points.astype(np.float32), 112, 112)
        dark = 255 - crop[..., 0].astype(float)
        rows, columns = np.mgrid[:112, :112]
        found = np.array([(dark * columns).sum(), (dark * rows).sum()]) / dark.sum()
        expected = template[np.linalg.norm(points - (x, y), axis=1).argmin()]
        assert found == pytest.approx(expected, abs=0.1)


def test_shrinking_by_a_large_factor_averages_pixels():
    stripes = np.zeros((900, 900, 3), np.uint8)
    stripes[:, ::2] = 255
    for shrink in (1.5, 2, 3.3, 7.9):
        drawn = warp(stripes, np.array([[1 / shrink, 0, 0], [0, 1 / shrink, 0]]), 100, 100)
        assert np.abs(drawn[2:-2, 2:-2].astype(int) - 127.5).max() < (70 if shrink < 2 else 40)


def test_a_pure_translation_keeps_pixels(rng):
    image = rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)
    assert (warp(image, np.array([[1.0, 0, -5], [0, 1, -7]]), 20, 30) == image[7:37, 5:25]).all()


def test_outside_the_photo_is_black_or_the_edge_pixel():
    image = np.full((20, 20, 3), 200, np.uint8)
    moved = np.array([[1.0, 0, 10], [0, 1, 10]])
    assert warp(image, moved, 30, 30)[:9].max() == 0
    assert (warp(image, moved, 30, 30, border="edge") == 200).all()
    far = np.array([[1.0, 0, 10_000], [0, 1, 10_000]])
    assert warp(image, far, 8, 8).max() == 0


def test_a_tight_crop_contains_the_box_without_stretching():
    image = np.zeros((200, 200, 3), np.uint8)
    image[50:150, 80:120] = 255
    crop = CROPS["tight-crop"](image, np.array([80, 50, 120, 150], np.float32), None, 100, 100)
    white = crop[..., 0] > 127
    assert white.any(axis=1).all()
    assert abs(int(white[50].sum()) - 40) <= 1


def test_the_facenet_crop_has_a_margin_of_32_of_160_pixels():
    image = np.zeros((400, 400, 3), np.uint8)
    image[136:264, 136:264] = 255
    crop = CROPS["facenet-mtcnn-160"](image, np.array([136, 136, 264, 264], np.float32), None, 160, 160)
    assert np.flatnonzero(crop[80, :, 0] > 127)[[0, -1]].tolist() == [16, 143]


def test_a_template_without_landmarks_is_a_clear_error():
    with pytest.raises(ModelError, match="needs landmarks"):
        CROPS["arcface-112"](np.zeros((9, 9, 3), np.uint8), np.zeros(4, np.float32), None, 112, 112)
