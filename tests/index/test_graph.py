"""Neighbours of every point, by pairs and through cells."""

import numpy as np
import pytest

from facespace.index import neighbours
from facespace.metric import normalise, squared_distances


def faces(count, seed=0, people=300):
    rng = np.random.default_rng(seed)
    return normalise(rng.normal(size=(people, 64))[np.arange(count) % people] + 0.5 * rng.normal(size=(count, 64)))


def reference(points, k):
    distances = squared_distances(points, points).astype(np.float64)
    np.fill_diagonal(distances, np.inf)
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(distances, order, 1), order


@pytest.mark.parametrize("k", [1, 20])
def test_small_sets_are_compared_pair_by_pair(k):
    points = faces(2500)
    seen = []
    found = neighbours(points, k, on_done=seen.append)
    distances, rows = reference(points, k)
    assert found.exact
    assert sum(seen) == 2500
    assert found.distances == pytest.approx(distances, abs=5e-6)
    assert np.mean(found.rows == rows) > 0.999


def test_large_sets_find_nearly_all_with_true_distances():
    points = faces(3000)
    seen = []
    found = neighbours(points, 15, exact=False, probes=20, on_done=seen.append)
    _, rows = reference(points, 15)
    assert not found.exact
    assert sum(seen) == 3000
    assert np.mean([len(set(a) & set(b)) / 15 for a, b in zip(found.rows, rows, strict=True)]) > 0.95
    for point in range(0, 3000, 500):
        difference = points[found.rows[point]] - points[point]
        assert found.distances[point] == pytest.approx((difference**2).sum(axis=1), abs=1e-6)
    assert (np.diff(found.distances, axis=1) >= 0).all()
    assert (found.rows != np.arange(3000)[:, None]).all()


@pytest.mark.parametrize("exact", [True, False])
def test_copies_are_neighbours_and_a_point_is_not_its_own(exact):
    points = np.repeat(faces(100, people=100), 6, axis=0)
    found = neighbours(points, 5, exact=exact)
    assert found.distances.max() < 1e-5
    for row, own in enumerate(found.rows):
        assert set(own) == set(range(row // 6 * 6, row // 6 * 6 + 6)) - {row}


@pytest.mark.parametrize("exact", [True, False])
def test_with_too_few_points_the_rest_is_padded(exact):
    found = neighbours(faces(3), 5, exact=exact)
    assert (np.sort(found.rows, axis=1)[:, :3] == -1).all()
    assert np.isinf(found.distances[:, 2:]).all()
    assert neighbours(np.empty((0, 64)), 5, exact=True).rows.shape == (0, 5)


def test_the_same_points_give_the_same_neighbours_at_any_number_of_threads():
    one, two = (neighbours(faces(4000), 8, exact=False, threads=threads) for threads in (1, 2))
    assert (one.rows == two.rows).all()


def test_searching_every_cell_finds_everything():
    points = faces(1500)
    found = neighbours(points, 10, exact=False, probes=10_000)
    distances, rows = reference(points, 10)
    assert np.mean(found.rows == rows) > 0.999
    assert found.distances == pytest.approx(distances, abs=5e-6)


def test_k_of_zero_is_refused():
    with pytest.raises(ValueError, match="must be at least 1"):
        neighbours(faces(5), 0)
    with pytest.raises(ValueError, match="at least 1"):
        neighbours(faces(5), 3, probes=0)
