"""The nearest neighbours of every point among all: what clustering and offline mining start from."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facespace.index.library import faiss_library, has_faiss
from facespace.index.scan import nearest_rows
from facespace.metric import normalise

# Up to this many points all pairs are compared; docs/decisions/030-index-library.md.
EXACT_UP_TO = 30_000

# Cells of the inverted file for n points are this times sqrt(n); of each a query looks into so many.
CELLS_PER_ROOT = 2
PROBES = 32

# Queries answered at a time: memory stays bounded and an interrupt is heard.
CHUNK = 4096


@dataclass(frozen=True)
class Neighbours:
    """The nearest other points of each point, nearest first.

    distances : float32, shape (n, k), squared Euclidean, inf where fewer than k others were found
    rows : int64, shape (n, k), -1 where fewer than k others were found
    exact : whether all pairs were compared
    """

    distances: NDArray[np.float32]
    rows: NDArray[np.int64]
    exact: bool


def neighbours(
    points: ArrayLike,
    k: int,
    exact: bool | None = None,
    threads: int | None = None,
    on_done: Callable[[int], None] | None = None,
) -> Neighbours:
    """The k nearest other points of every point.

    Small sets are compared pair by pair. Large ones, where faiss is installed, go through an inverted file of
    bytes: each point is compared with those of the cells nearest to it, and the distances of the best are
    then computed anew in float32. Memory beside points and result is about 130 bytes a point and 300 MB.

    Parameters
    ----------
    points : array-like, shape (n, d)
        Scaled to L2 norm 1 here.
    k : int
        At least 1.
    exact : bool or None
        Compare all pairs, or not; by size where None.
    threads : int or None
        One a core where None.
    on_done : callable or None
        Called with how many more points are done.

    Returns
    -------
    Neighbours
        Distances are exact for what was found. A point itself is never among its neighbours, a copy of it is.

    Raises
    ------
    ValueError
        k is below 1, or a point has no direction.
    FacespaceError
        `exact=False` and faiss is not installed.
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}")
    unit = normalise(points)
    if exact is None:
        exact = len(unit) <= EXACT_UP_TO or not has_faiss()
    distances = np.empty((len(unit), k), np.float32)
    rows = np.empty((len(unit), k), np.int64)
    if exact:
        ones = np.ones(len(unit), np.float32)
        # Of equal distances the lower row comes first, so a point need not be its own first neighbour.
        found_distances, found_rows = nearest_rows(unit, unit, ones, k + 1, threads, on_done)
        for start in range(0, len(unit), CHUNK):
            span = slice(start, start + CHUNK)
            distances[span], rows[span] = _others(start, found_distances[span], found_rows[span])
        return Neighbours(distances, rows, True)
    faiss = faiss_library()
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(threads or before)
    try:
        inverted = _inverted_file(unit)
        for start in range(0, len(unit), CHUNK):
            span = slice(start, min(start + CHUNK, len(unit)))
            # Some more than wanted: bytes order near neighbours only roughly.
            _, candidates = inverted.search(unit[span], k + 1 + max(4, k // 4))
            distances[span], rows[span] = _others(start, *_ranked(unit, span, candidates, k + 1))
            if on_done:
                on_done(span.stop - span.start)
    finally:
        faiss.omp_set_num_threads(before)
    return Neighbours(distances, rows, False)


def _inverted_file(unit: NDArray[np.float32]) -> Any:
    faiss = faiss_library()
    cells = max(1, round(CELLS_PER_ROOT * len(unit) ** 0.5))
    dimension = unit.shape[1]
    inverted = faiss.IndexIVFScalarQuantizer(
        faiss.IndexFlatL2(dimension), dimension, cells, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_L2
    )
    inverted.cp.niter = 10
    sample = np.random.default_rng(0).choice(len(unit), min(len(unit), 40 * cells), replace=False)
    inverted.train(unit[np.sort(sample)])
    for start in range(0, len(unit), 1 << 17):
        inverted.add(unit[start : start + (1 << 17)])
    inverted.nprobe = PROBES
    return inverted


def _ranked(
    unit: NDArray[np.float32], span: slice, candidates: NDArray[np.int64], k: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The k nearest of the candidates, by distances in full precision."""
    distances = np.empty(candidates.shape, np.float32)
    for column in range(candidates.shape[1]):
        difference = unit[candidates[:, column]] - unit[span]
        distances[:, column] = np.einsum("nd,nd->n", difference, difference)
    distances[candidates < 0] = np.inf
    order = np.lexsort((candidates, distances), axis=1)[:, :k]
    return np.take_along_axis(distances, order, 1), np.take_along_axis(candidates, order, 1)


def _others(
    start: int, distances: NDArray[np.float32], rows: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Take each point out of its own k + 1 neighbours, or the last where it is not among them."""
    own = rows == start + np.arange(len(rows))[:, None]
    drop = np.where(own.any(axis=1), own.argmax(axis=1), rows.shape[1] - 1)
    keep = np.arange(rows.shape[1])[None, :] != drop[:, None]
    shape = (len(rows), rows.shape[1] - 1)
    return distances[keep].reshape(shape), rows[keep].reshape(shape)
