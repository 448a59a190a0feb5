"""The nearest neighbours of every point among all points, which clustering and offline mining start from."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facespace.index.best import Best
from facespace.index.cells import PROBES, Cells, lay_out
from facespace.index.scan import nearest_points
from facespace.metric import normalise
from facespace.processors import available

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]

# Up to this many points, all pairs are compared; docs/decisions/031-neighbours.md has the measurements.
EXACT_UP_TO = 20_000

# Memory per thread for the candidates of its queries.
PLACES_BYTES = 64 << 20

# Points searched together at most.
MOST_TOGETHER = 1 << 16


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

    Small sets are compared pair by pair. Large sets use an inverted file: k-means divides the points into cells of
    about a hundred, and each point is compared with the points of its nearest cells, one matrix product per cell. The
    work per point hardly grows with the number of points. Apart from the input and the result, it needs memory for two
    copies of the points and about 100 MB per thread.

    Parameters
    ----------
    points : array-like, shape (n, d)
        Scaled to L2 norm 1 here. Float32 is not quantised; the distances of the neighbours found are exact.
    k : int
        At least 1.
    exact : bool or None
        Whether to compare all pairs; None decides by size.
    probes : int or None
        Number of cells that each point searches: more find more neighbours and take proportionally longer. None is 48.
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
    cells = lay_out(unit, np.random.default_rng(0))
    del unit
    distances = np.full((len(cells), k), np.inf, np.float32)
    rows = np.full((len(cells), k), -1, np.int64)
    batch = together(len(cells), k)
    starts = range(0, len(cells), batch)
    with ThreadPoolExecutor(threads or available()) as pool:
        found = pool.map(lambda start: others(cells, start, start + batch, k, probes), starts)
        for start, answer in zip(starts, found, strict=True):
            own = cells.order[start : start + batch]
            distances[own], rows[own] = answer
            if on_done:
                on_done(len(own))
    return Neighbours(distances, rows, False)


def together(count: int, k: int) -> int:
    """Return how many of so many points to search at once: more make larger products and need more memory."""
    return int(np.clip(min(PLACES_BYTES // (8 * Best.ROOM * (k + 1)), count // 8), 1024, MOST_TOGETHER))


def others(cells: Cells, start: int, stop: int, k: int, probes: int | None = None) -> tuple[Floats, Rows]:
    """Find the k nearest other points of a range of points in cells; as `Cells.nearest`, without the point itself."""
    return _others(cells.order[start:stop], *cells.nearest(start, min(stop, len(cells)), k + 1, probes or PROBES))


def _others(own: Rows, distances: Floats, rows: Rows) -> tuple[Floats, Rows]:
    """Remove each point from its own k + 1 neighbours, or the last neighbour if copies of it took its place."""
    mine = rows == own[:, None]
    drop = np.where(mine.any(axis=1), mine.argmax(axis=1), rows.shape[1] - 1)
    keep = np.arange(rows.shape[1])[None, :] != drop[:, None]
    shape = (len(rows), rows.shape[1] - 1)
    return distances[keep].reshape(shape), rows[keep].reshape(shape)
