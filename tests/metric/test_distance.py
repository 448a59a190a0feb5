"""Distances against the definition and scikit-learn."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics.pairwise import euclidean_distances

from facespace.metric import (
    nearest,
    normalise,
    paired_squared_distances,
    squared_distance_blocks,
    squared_distances,
)

matrices = arrays(np.float32, st.tuples(st.integers(1, 8), st.just(5)), elements=st.floats(-3, 3, width=32))
directions = matrices.filter(lambda m: (np.abs(m).max(axis=1) > 0).all())


@given(a=matrices, b=matrices)
def test_distances_match_the_definition_and_scikit_learn(a, b):
    obvious = ((a[:, None].astype(float) - b[None].astype(float)) ** 2).sum(axis=2)
    found = squared_distances(a, b)
    assert found.dtype == np.float32
    assert np.abs(found - obvious).max() < 1e-4
    assert np.abs(found - euclidean_distances(a.astype(float), b.astype(float), squared=True)).max() < 1e-4


@given(a=matrices)
def test_distances_are_never_negative_and_symmetric(a):
    found = squared_distances(a, a)
    assert (found >= 0).all()
    assert np.abs(found - found.T).max() < 1e-4
    assert np.abs(paired_squared_distances(a, a)).max() == 0


@given(a=directions)
def test_normalised_rows_have_norm_one_and_keep_their_direction(a):
    unit = normalise(a)
    assert np.abs(np.linalg.norm(unit.astype(float), axis=1) - 1).max() < 1e-6
    assert np.abs(normalise(unit) - unit).max() < 1e-6
    assert ((unit.astype(np.float64) * a).sum(axis=1) > 0).all()


@given(a=directions, b=directions)
def test_on_the_sphere_the_distance_is_two_minus_twice_the_cosine(a, b):
    a, b = normalise(a), normalise(b)
    assert np.abs(squared_distances(a, b) - (2 - 2 * a @ b.T)).max() < 1e-5
    assert squared_distances(a, b).max() <= 4 + 1e-5


def test_very_small_and_very_large_rows_can_be_normalised():
    unit = normalise(np.array([[1e-30, 0], [3e30, 4e30]], np.float32))
    assert unit == pytest.approx(np.array([[1, 0], [0.6, 0.8]]))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_value_that_is_not_finite_is_refused_with_its_row(bad):
    points = np.ones((4, 3))
    points[2, 1] = bad
    with pytest.raises(ValueError, match="row 2"):
        squared_distances(points, points)


def test_a_row_of_zeros_has_no_direction():
    with pytest.raises(ValueError, match="row 1 is all zeros"):
        normalise([[1, 0], [0, 0]])


def test_a_single_point_must_be_given_as_a_row():
    with pytest.raises(ValueError, match=r"point\[None\]"):
        squared_distances(np.ones(3), np.ones((2, 3)))


@given(a=matrices, b=matrices, cells=st.integers(1, 40))
def test_blocks_together_cover_all_distances(a, b, cells):
    parts = list(squared_distance_blocks(a, b, cells))
    assert np.concatenate([block for _, block in parts]) == pytest.approx(squared_distances(a, b), abs=1e-4)
    assert all(block.size <= max(cells, len(b)) for _, block in parts)


@given(a=matrices, b=matrices, k=st.integers(1, 10))
def test_the_nearest_match_a_full_sort_with_ties_by_row(a, b, k):
    distances, indices = nearest(a, np.concatenate([b, b]), k)
    every = squared_distances(a, np.concatenate([b, b]))
    expected = np.argsort(every, axis=1, kind="stable")[:, :k]
    assert (indices == expected).all()
    assert (distances == np.take_along_axis(every, expected, axis=1)).all()


def test_one_query_among_a_million_points_needs_memory_for_one_row_of_distances(rng):
    points = rng.normal(size=(1_000_000, 16)).astype(np.float32)
    query = points[777_777:777_778]
    tracemalloc.start()
    distances, indices = nearest(query, points, 3)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert indices[0, 0] == 777_777
    assert distances[0, 0] < 1e-4
    # The check for NaN needs a byte per number; distances, squares and a partition need a few rows of floats.
    assert peak < points.nbytes


def test_k_of_zero_and_no_points_are_handled():
    with pytest.raises(ValueError, match="k must be at least 1"):
        nearest(np.ones((1, 2)), np.ones((3, 2)), 0)
    distances, indices = nearest(np.ones((2, 2)), np.empty((0, 2)), 3)
    assert distances.shape == indices.shape == (2, 0)
