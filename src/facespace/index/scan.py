"""The k nearest rows by comparing with every one: blocks of bytes turned to floats, multiplied, and filtered.

A block of rows is made float32 in the processor's cache and multiplied there, so memory is read at one byte a
dimension. docs/decisions/030-index-library.md measures it against faiss and usearch.
"""

import itertools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from facespace.index.best import Best

Floats = NDArray[np.float32]
RowIds = NDArray[np.int64]

# Similarities held at once by one thread: 4 M float32 are 16 MB; and of so many rows at most, which stay in its cache.
CELLS, TOGETHER = 1 << 22, 1 << 16

# Rows turned to floats at a time: 4,096 of 128 dimensions are 2 MB, about a core's own cache.
BLOCK = 1 << 12

# Queries that one thread answers together.
QUERIES = 512

# Up to so many queries BLAS multiplies rows by queries twice as fast as queries by rows, turning the result included.
FEW = 64


def nearest_rows(
    queries: Floats,
    rows: NDArray[np.int8] | Floats,
    inverse: Floats,
    k: int,
    threads: int | None = None,
    on_done: Callable[[int], None] | None = None,
) -> tuple[Floats, RowIds]:
    """The k rows of largest cosine to each query, exactly; of equal ones the lower row comes first.

    Parameters
    ----------
    queries : float32, shape (n, d), L2 norm 1
    rows : int8 or float32, shape (m, d)
    inverse : float32, shape (m,)
        1 / L2 norm of each row; a row with 0 is left out.
    k : int
    threads : int or None
        One a core where None.
    on_done : called with how many more queries are answered, if given

    Returns
    -------
    distances : float32, shape (n, k), squared Euclidean between unit vectors, inf where there are fewer rows
    indices : int64, shape (n, k), -1 where there are fewer rows
    """
    threads = threads or os.cpu_count() or 1
    similarity = np.full((len(queries), k), -np.inf, np.float32)
    found = np.full((len(queries), k), -1, np.int64)
    if len(queries) <= QUERIES:
        # Few queries: the threads share the rows. Below some blocks each, starting them costs more.
        parts = max(1, min(threads, len(rows) // (8 * BLOCK)))
        edges = np.linspace(0, len(rows), parts + 1).astype(int).tolist()
        if parts == 1:
            similarity, found = _span(queries, rows, inverse, k, 0, len(rows))
        else:
            with ThreadPoolExecutor(parts) as pool:
                results = list(pool.map(lambda at: _span(queries, rows, inverse, k, *at), itertools.pairwise(edges)))
            similarity, found = results[0]
            for more_similarity, more_found in results[1:]:
                similarity, found = _merged(similarity, found, more_similarity, more_found)
        if on_done:
            on_done(len(queries))
    else:
        starts = range(0, len(queries), QUERIES)
        with ThreadPoolExecutor(threads) as pool:
            answers = pool.map(
                lambda start: _span(queries[start : start + QUERIES], rows, inverse, k, 0, len(rows)), starts
            )
            for start, (chunk_similarity, chunk_found) in zip(starts, answers, strict=True):
                similarity[start : start + QUERIES], found[start : start + QUERIES] = chunk_similarity, chunk_found
                if on_done:
                    on_done(len(chunk_found))
    return np.where(found < 0, np.float32(np.inf), np.clip(2 - 2 * similarity, 0, 4)), found


def _span(
    queries: Floats, rows: NDArray[np.int8] | Floats, inverse: Floats, k: int, start: int, stop: int
) -> tuple[Floats, RowIds]:
    """The k best of some rows: similarity and row, best first."""
    best = Best(len(queries), k)
    # Few queries are filtered seldom: what that costs beside the multiplying is Python's own time.
    together = min(TOGETHER, CELLS // max(1, len(queries)))
    step = min(BLOCK, together)
    floats = np.empty((step, rows.shape[1]), np.float32)
    tall = np.empty((step, len(queries)), np.float32)
    room = np.empty((len(queries), together), np.float32)
    for low in range(start, stop, together):
        high = min(low + together, stop)
        similarity = room[:, : high - low]
        for first in range(low, high, step):
            last = min(first + step, high)
            block = floats[: last - first]
            np.copyto(block, rows[first:last])
            part = similarity[:, first - low : last - low]
            if len(queries) <= FEW:
                np.copyto(part, np.matmul(block, queries.T, out=tall[: last - first]).T)
            else:
                np.matmul(queries, block.T, out=part)
        similarity *= inverse[low:high]
        dead = np.flatnonzero(inverse[low:high] == 0)
        if len(dead):
            similarity[:, dead] = -np.inf
        best.offer(slice(0, len(queries)), similarity, low)
    return best.result()


def _merged(a: Floats, a_rows: RowIds, b: Floats, b_rows: RowIds) -> tuple[Floats, RowIds]:
    values, rows = np.concatenate([a, b], axis=1), np.concatenate([a_rows, b_rows], axis=1)
    order = np.lexsort((rows, -values), axis=1)[:, : a.shape[1]]
    return np.take_along_axis(values, order, 1), np.take_along_axis(rows, order, 1)
