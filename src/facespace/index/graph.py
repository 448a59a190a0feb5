"""The nearest neighbours of every point among all points, which clustering and offline mining start from."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facespace.index.best import Best
from facespace.index.scan import nearest_points
from facespace.metric import normalise
from facespace.processors import available

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]

# Up to this many points, all pairs are compared; docs/decisions/031-neighbours.md has the measurements.
EXACT_UP_TO = 20_000

# The points are divided into this times sqrt(n) cells, and a point searches this times n^(1/4) of them.
CELLS_PER_ROOT = 1.0
PROBES_PER_FOURTH_ROOT = 2.0

# Memory per thread for the candidates of its queries.
PLACES_BYTES = 64 << 20

_ROUNDS = 8
_SAMPLE_PER_CELL = 50


@dataclass(frozen=True)
class Neighbours:
    """The nearest other points of each point, nearest first.

    distances : float32, shape (n, k), squared Euclidean, inf if fewer than k others were found
    rows : int64, shape (n, k), -1 if fewer than k others were found
    exact : whether all pairs were compared
    """

    distances: Floats
    rows: Rows
    exact: bool


def neighbours(
    points: ArrayLike,
    k: int,
    exact: bool | None = None,
    probes: int | None = None,
    threads: int | None = None,
    on_done: Callable[[int], None] | None = None,
) -> Neighbours:
    """Find the k nearest other points of every point.

    Small sets are compared pair by pair. Large sets use an inverted file: k-means divides the points into cells, and
    each point is compared with the points of its nearest cells, one matrix product per cell. Apart from the input and
    the result, it needs memory for a copy of the points and about 200 MB per thread.

    Parameters
    ----------
    points : array-like, shape (n, d)
        Scaled to L2 norm 1 here. Float32 is not quantised; the distances of the neighbours found are exact.
    k : int
        At least 1.
    exact : bool or None
        Whether to compare all pairs; None decides by size.
    probes : int or None
        Number of cells that each point searches: more find more neighbours and take proportionally longer. None
        decides by size.
    threads : int or None
        None uses one per core.
    on_done : callable or None
        Progress callback; called with the number of points just finished.

    Returns
    -------
    Neighbours
        A point is never its own neighbour, but a copy of it may be. Results are deterministic.

    Raises
    ------
    ValueError
        k or probes is below 1, or a point is all zeros.
    """
    if k < 1 or (probes is not None and probes < 1):
        raise ValueError(f"k and probes must be at least 1, not {k} and {probes}")
    unit = normalise(points)
    if exact is None:
        exact = len(unit) <= EXACT_UP_TO
    if exact:
        distances, rows = nearest_points(unit, unit, k + 1, threads, on_done)
        return Neighbours(*_others(np.arange(len(unit)), distances, rows), True)
    distances = np.full((len(unit), k), np.inf, np.float32)
    rows = np.full((len(unit), k), -1, np.int64)
    cells = _Cells(unit)
    if probes is None:
        probes = round(PROBES_PER_FOURTH_ROOT * len(unit) ** 0.25)
    # Batches follow the order of the cells: points of one batch search mostly the same cells, in larger products.
    places = PLACES_BYTES // (8 * Best.ROOM * (k + 1))
    batch = int(np.clip(min(places, len(unit) // 8), 1024, 1 << 16))
    spans = [cells.order[start : start + batch] for start in range(0, len(unit), batch)]
    with ThreadPoolExecutor(threads or available()) as pool:
        for own, found in zip(spans, pool.map(lambda own: cells.search(own, k + 1, probes), spans), strict=True):
            distances[own], rows[own] = _others(own, *found)
            if on_done:
                on_done(len(own))
    return Neighbours(distances, rows, False)


class _Cells:
    """Points divided into cells by spherical k-means, searched through the nearest cells."""

    def __init__(self, unit: Floats):
        self._unit = unit
        count = max(1, round(CELLS_PER_ROOT * len(unit) ** 0.5))
        rng = np.random.default_rng(0)
        sample = unit[np.sort(rng.choice(len(unit), min(len(unit), _SAMPLE_PER_CELL * count), replace=False))]
        self._centres = _spherical_means(sample, count, rng)
        cell = _nearest_centre(unit, self._centres)
        self.order = np.argsort(cell, kind="stable")
        self._edges = np.searchsorted(cell[self.order], np.arange(count + 1))
        self._ordered = unit[self.order]

    def search(self, own: Rows, k: int, probes: int) -> tuple[Floats, Rows]:
        """Squared distances and rows of the k nearest points of some points, which include themselves."""
        queries = self._unit[own]
        best = Best(len(own), k)
        for cell, looking in self._visits(queries, min(probes, len(self._centres))):
            low, high = self._edges[cell], self._edges[cell + 1]
            if low < high:
                best.offer(looking, queries[looking] @ self._ordered[low:high].T, self.order[low:high])
        similarity, rows = best.result()
        return np.where(rows < 0, np.float32(np.inf), np.clip(2 - 2 * similarity, 0, 4)), rows

    def _visits(self, queries: Floats, probes: int) -> Iterator[tuple[int, Rows]]:
        """Yield each cell with the queries that search it; the nearest cell of each query comes first."""
        nearest = np.empty((len(queries), probes), np.int32)
        for start in range(0, len(queries), 4096):
            similarity = queries[start : start + 4096] @ self._centres.T
            chosen = np.argpartition(-similarity, probes - 1, axis=1)[:, :probes]
            order = np.argsort(-np.take_along_axis(similarity, chosen, 1), axis=1)
            nearest[start : start + 4096] = np.take_along_axis(chosen, order, 1)
        # The nearest cells come first: they raise the bar, so that the other cells pass few candidates.
        for columns in (nearest[:, :1], nearest[:, 1:]):
            flat = columns.ravel()
            order = np.argsort(flat, kind="stable")
            edges = np.searchsorted(flat[order], np.arange(len(self._centres) + 1))
            for cell in np.unique(flat).tolist():
                yield cell, order[edges[cell] : edges[cell + 1]] // columns.shape[1]


def _spherical_means(sample: Floats, count: int, rng: np.random.Generator) -> Floats:
    """k-means on the sphere (Dhillon and Modha, 2001): centres have unit length; empty cells keep their centre."""
    centres = sample[rng.choice(len(sample), count, replace=False)].copy()
    for _ in range(_ROUNDS):
        cell = _nearest_centre(sample, centres)
        order = np.argsort(cell, kind="stable")
        filled, starts = np.unique(cell[order], return_index=True)
        sums = np.add.reduceat(sample[order], starts, axis=0)
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        centres[filled] = np.where(lengths > 0, sums / np.maximum(lengths, 1e-12), centres[filled])
    return centres


def _nearest_centre(points: Floats, centres: Floats) -> Rows:
    return np.concatenate(
        [(points[start : start + 4096] @ centres.T).argmax(axis=1) for start in range(0, len(points), 4096)]
        or [np.empty(0, np.int64)]
    )


def _others(own: Rows, distances: Floats, rows: Rows) -> tuple[Floats, Rows]:
    """Remove each point from its own k + 1 neighbours, or the last neighbour if copies of it took its place."""
    mine = rows == own[:, None]
    drop = np.where(mine.any(axis=1), mine.argmax(axis=1), rows.shape[1] - 1)
    keep = np.arange(rows.shape[1])[None, :] != drop[:, None]
    shape = (len(rows), rows.shape[1] - 1)
    return distances[keep].reshape(shape), rows[keep].reshape(shape)
