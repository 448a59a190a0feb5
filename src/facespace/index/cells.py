"""Points in cells: an inverted file whose cost for each point hardly depends on how many points there are.

Two levels of spherical k-means: regions, and cells within them, each of about as many points however large the set is.
A point looks into the cells nearest to it, and finds these among the cells of the regions nearest to its own. Blocks of
points are searched independently of each other, with memory that depends on the block only. So threads, processes or
machines may share them, and the answer for a point is always the same.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facespace.index.best import Best

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]

# Mean number of points in a cell, and number of cells that are searched for a point; docs/decisions/031-neighbours.md.
CELL = 128
PROBES = 48

# A point's cells are chosen among this many times as many: those of the regions nearest to its own.
_CHOICE = 16

# Number of points per centre that k-means uses, and its iterations.
_SAMPLE_PER_CELL = 16
_ROUNDS = 6

# Similarities computed at once: 1 MB of floats, which stays in the processor's cache; and the maximum number of points.
_BLOCK = 1 << 18
_WIDTH = 1 << 12


@dataclass(frozen=True)
class Cells:
    """Points in the order of their cells; every array may be memory-mapped.

    points : float32, shape (n, d), L2 norm 1, those of one cell together
    order : int64, shape (n,), the row that each was given as
    edges : int64, shape (c + 1,), where each cell begins
    centres : float32, shape (c, d), L2 norm 1, those of one region together
    regions : int64, shape (r + 1,), where the cells of each region begin
    near : int64, shape (r, r), the regions in the order of their distance from each, itself first
    """

    points: Floats
    order: Rows
    edges: Rows
    centres: Floats
    regions: Rows
    near: Rows

    def __len__(self) -> int:
        return len(self.order)

    def nearest(self, start: int, stop: int, k: int, probes: int = PROBES) -> tuple[Floats, Rows]:
        """Find the k nearest points of each of some points, including themselves.

        Parameters
        ----------
        start, stop : int
            A range of `points`.
        k : int
        probes : int
            Cells that each looks into.

        Returns
        -------
        distances : float32, shape (stop - start, k), squared Euclidean, rising, inf where fewer were found
        rows : int64, shape (stop - start, k), as they were given, -1 where fewer were found
        """
        queries = np.asarray(self.points[start:stop])
        best = Best(len(queries), k)
        home = np.searchsorted(self.edges, np.arange(start, stop), side="right") - 1
        own, cell = self._looking(queries, home, probes)
        # Each point's own cell comes first: a high k-th similarity from the start excludes most later candidates.
        first = cell == home[own]
        for part in (first, ~first):
            for number, looking in _by_cell(own[part], cell[part]):
                self._offer(best, queries, looking, int(self.edges[number]), int(self.edges[number + 1]))
        similarity, places = best.result()
        rows = np.where(places < 0, -1, np.asarray(self.order)[places])
        return np.where(rows < 0, np.float32(np.inf), np.clip(2 - 2 * similarity, 0, 4)), rows

    def _offer(self, best: Best, queries: Floats, looking: Rows, low: int, high: int) -> None:
        """Compare some queries with the points of one cell, of any number."""
        for first in range(low, high, _WIDTH):
            points = np.asarray(self.points[first : min(first + _WIDTH, high)]).T
            for part in _parts(looking, points.shape[1]):
                best.offer(part, queries[part] @ points, first)

    def _looking(self, queries: Floats, home: Rows, probes: int) -> tuple[Rows, Rows]:
        """Which points search which cells: positions of queries, and numbers of cells."""
        own, cell = [], []
        region = np.searchsorted(self.regions, home, side="right") - 1
        for number in np.unique(region).tolist():
            members = np.flatnonzero(region == number)
            choice = choice_of(self.regions, self.near[number], probes)
            centres = self.centres[choice]
            for part in _parts(members, len(choice)):
                similarity = queries[part] @ centres.T
                row, column = _largest(similarity, probes)
                own.append(part[row])
                cell.append(choice[column])
        return np.concatenate(own), np.concatenate(cell)


def lay_out(unit: Floats, rng: np.random.Generator) -> Cells:
    """Points, float32, shape (n, d), L2 norm 1, in cells. The same seed gives the same cells."""
    count = max(1, len(unit) // CELL)
    regions = max(1, round(count**0.5))
    rows = np.sort(rng.choice(len(unit), min(len(unit), max(_SAMPLE_PER_CELL * count, 256)), replace=False))
    sample = unit[rows]
    heads = spherical_means(sample, min(regions, len(sample)), rng)
    of_sample = nearest_centre(sample, heads)
    centres, starts = [], [0]
    for number in range(len(heads)):
        mine = sample[of_sample == number]
        wanted = min(len(mine), max(1, round(count * len(mine) / len(sample))))
        found = spherical_means(mine, wanted, rng) if wanted > 1 else heads[number : number + 1]
        centres.append(found)
        starts.append(starts[-1] + len(found))
    middles = np.concatenate(centres)
    edges = np.array(starts)
    near = np.argsort(-(heads @ heads.T), axis=1, kind="stable")
    # A region is the nearest to itself, even if another one has the same centre.
    near = np.stack([np.concatenate([[n], row[row != n]]) for n, row in enumerate(near)])
    cell = np.empty(len(unit), np.int64)
    region = nearest_centre(unit, heads)
    for number in range(len(heads)):
        choice = choice_of(edges, near[number], PROBES)
        for part in _parts(np.flatnonzero(region == number), len(choice)):
            cell[part] = choice[(unit[part] @ middles[choice].T).argmax(axis=1)]
    order = np.argsort(cell, kind="stable")
    bounds = np.searchsorted(cell[order], np.arange(len(middles) + 1))
    return Cells(unit[order], order, bounds, middles, edges, near)


def choice_of(regions: Rows, near: Rows, probes: int) -> Rows:
    """The cells to choose from, ascending: those of as many whole regions, nearest first, as are needed."""
    sizes = np.diff(regions)[near]
    enough = int(np.searchsorted(np.cumsum(sizes), _CHOICE * probes)) + 1
    return np.concatenate([np.arange(regions[r], regions[r + 1]) for r in np.sort(near[:enough]).tolist()])


def spherical_means(sample: Floats, count: int, rng: np.random.Generator) -> Floats:
    """k-means on the sphere (Dhillon and Modha, 2001): centres of unit length; an empty cell keeps its centre."""
    centres = sample[rng.choice(len(sample), count, replace=False)].copy()
    for _ in range(_ROUNDS):
        cell = nearest_centre(sample, centres)
        order = np.argsort(cell, kind="stable")
        filled, starts = np.unique(cell[order], return_index=True)
        sums = np.add.reduceat(sample[order], starts, axis=0)
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        centres[filled] = np.where(lengths > 0, sums / np.maximum(lengths, 1e-12), centres[filled])
    return centres


def nearest_centre(points: Floats, centres: Floats) -> Rows:
    """The row of the nearest centre of each point, int64, shape (n,)."""
    found = np.empty(len(points), np.int64)
    step = max(1, _BLOCK // len(centres))
    for start in range(0, len(points), step):
        found[start : start + step] = (points[start : start + step] @ centres.T).argmax(axis=1)
    return found


def _parts(rows: Rows, columns: int) -> Iterator[Rows]:
    step = max(1, _BLOCK // max(1, columns))
    return (rows[start : start + step] for start in range(0, len(rows), step))


def _largest(similarity: Floats, count: int) -> tuple[Rows, Rows]:
    """Row and column of the `count` largest values of each row; ties go to the left."""
    width = similarity.shape[1]
    if width <= count:
        row, column = np.divmod(np.arange(similarity.size), max(1, width))
        return row, column
    bar = np.partition(similarity, width - count, axis=1)[:, width - count]
    row, column = np.divmod(np.flatnonzero(similarity >= bar[:, None]), width)
    if len(row) > count * len(similarity):
        # Copies of a photo give equal centres; without this, all of their cells would be searched for a point.
        order = np.lexsort((column, -similarity[row, column], row))
        row, column = row[order], column[order]
        kept = np.arange(len(row)) - np.searchsorted(row, row) < count
        row, column = row[kept], column[kept]
    return row, column


def _by_cell(own: Rows, cell: Rows) -> Iterator[tuple[int, Rows]]:
    """Iterate over the cells, each with the queries that search it."""
    order = np.argsort(cell, kind="stable")
    cells, own = cell[order], own[order]
    starts = np.flatnonzero(np.diff(cells, prepend=-1)).tolist()
    for start, stop in itertools.pairwise([*starts, len(own)]):
        yield int(cells[start]), own[start:stop]
