"""Points in cells: every point in one, blocks searched alike however they are cut, work that does not grow."""

import numpy as np
import pytest

from facespace.index import cells as of_cells
from facespace.index.cells import lay_out
from facespace.index.graph import others
from facespace.metric import normalise


def faces(count, seed=0, each=6):
    """People on the sphere with some photos each."""
    rng = np.random.default_rng(seed)
    centres = np.repeat(rng.normal(size=(-(-count // each), 32)), each, axis=0)[:count]
    return normalise(centres + 0.5 * rng.normal(size=(count, 32)))


@pytest.mark.parametrize("count", [1, 2, 5, 127, 129, 3000])
def test_every_point_is_in_one_cell_and_cells_of_a_region_lie_together(count):
    points = faces(count)
    laid = lay_out(points, np.random.default_rng(0))
    assert sorted(laid.order) == list(range(count))
    np.testing.assert_array_equal(laid.points, points[laid.order])
    assert (laid.edges[0], laid.edges[-1]) == (0, count)
    assert (np.diff(laid.edges) >= 0).all()
    assert (laid.regions[0], laid.regions[-1]) == (0, len(laid.centres))
    assert (laid.near[:, 0] == np.arange(len(laid.near))).all()


def test_blocks_of_any_size_give_the_same_neighbours():
    laid = lay_out(faces(4000), np.random.default_rng(0))
    whole = others(laid, 0, 4000, 9)
    for size in (1, 700, 3999):
        starts = range(0, 4000, size) if size > 1 else (0, 1, 2000, 3999)
        for start in starts:
            distances, rows = others(laid, start, start + size, 9)
            np.testing.assert_array_equal(rows, whole[1][start : start + size])
            np.testing.assert_allclose(distances, whole[0][start : start + size], atol=1e-6)


def test_a_point_is_compared_with_no_more_others_in_a_larger_set(monkeypatch):
    def compared(count):
        seen = []

        class Counting(of_cells.Best):
            def offer(self, queries, block, rows):
                seen.append(block.size)
                super().offer(queries, block, rows)

        monkeypatch.setattr(of_cells, "Best", Counting)
        laid = lay_out(faces(count), np.random.default_rng(0))
        laid.nearest(0, count, 5, probes=8)
        return sum(seen) / count

    assert compared(12_000) < 1.3 * compared(3_000)


def test_many_copies_of_one_photo_are_not_all_compared_with_each_other(monkeypatch):
    """Centres that are equal are as near as each other: a point still looks into no more cells than it may."""
    points = np.repeat(faces(3), 2000, axis=0)
    laid = lay_out(points, np.random.default_rng(0))
    row, _ = of_cells._largest(points[:50] @ laid.centres.T, 4)
    assert (np.bincount(row) == 4).all()
    distances, rows = others(laid, 0, 100, 5, probes=2)
    assert distances.max() < 1e-5
    assert (laid.order[:100, None] // 2000 == rows // 2000).all()
