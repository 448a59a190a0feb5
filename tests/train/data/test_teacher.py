"""Targets for distillation on the student's sphere."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facespace.errors import DataError
from facespace.metric import squared_distances
from facespace.train.data.teacher import rotated_onto, targets


def cone(rng, count=60, dimension=16):
    """Embeddings like dlib's: in a narrow cone, with different norms."""
    return 1.3 + 0.1 * rng.normal(size=(count, dimension))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), dimension=st.integers(2, 40))
def test_targets_have_norm_1_and_the_students_dimension(seed, dimension):
    found = targets(cone(np.random.default_rng(seed)), dimension)
    assert found.shape == (60, dimension)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


def test_distances_keep_the_teachers_proportions_where_normalising_would_not():
    teacher = cone(np.random.default_rng(0))
    own = squared_distances(teacher, teacher)[np.triu_indices(60, 1)]

    def likeness(points):
        return np.corrcoef(own, squared_distances(points, points)[np.triu_indices(60, 1)])[0, 1]

    assert likeness(targets(teacher, 17)) > 0.95
    assert likeness(targets(teacher, 17)) > likeness(teacher / np.linalg.norm(teacher, axis=1, keepdims=True))


def test_one_number_fewer_than_the_teacher_spreads_in_costs_little():
    teacher = cone(np.random.default_rng(1))
    whole, less = targets(teacher, 17), targets(teacher, 16)
    assert np.abs(squared_distances(whole, whole) - squared_distances(less, less)).mean() < 0.05


def test_a_teacher_moved_or_turned_gives_the_same_distances():
    rng = np.random.default_rng(2)
    teacher = cone(rng)
    turn, _ = np.linalg.qr(rng.normal(size=(16, 16)))
    one, other = targets(teacher, 12), targets(teacher @ turn + 5, 12)
    np.testing.assert_allclose(squared_distances(one, one), squared_distances(other, other), atol=1e-4)


def test_invalid_teachers_are_clear_errors():
    teacher = cone(np.random.default_rng(3))
    teacher[7, 2] = np.nan
    with pytest.raises(DataError, match="face 7 has a NaN"):
        targets(teacher, 8)
    with pytest.raises(DataError, match="are equal"):
        targets(np.ones((5, 4)), 8)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000))
def test_targets_are_rotated_to_where_a_network_has_them(seed):
    rng = np.random.default_rng(seed)
    points = targets(cone(rng), 8)
    turn, _ = np.linalg.qr(rng.normal(size=(8, 8)))
    rows = np.sort(rng.permutation(60)[:30])
    there = (points @ turn)[rows] + 0.01 * rng.normal(size=(30, 8))
    found = rotated_onto(points, rows, there.astype(np.float32))
    np.testing.assert_allclose(squared_distances(found, found), squared_distances(points, points), atol=1e-4)
    np.testing.assert_allclose(found, points @ turn, atol=0.1)


def test_more_faces_keep_the_space_of_those_before():
    teacher = cone(np.random.default_rng(4), 300)
    before, rows = targets(teacher[:200], 16), np.arange(200)
    with_more = targets(teacher, 16)
    moved = np.abs(with_more[:200] - before).mean()
    assert np.abs(rotated_onto(with_more, rows, before)[:200] - before).mean() < moved / 4
