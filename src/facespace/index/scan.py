"""Exact k-nearest search by comparing with every row: floats with BLAS, stored bytes with integer products.

Integer products give each similarity up to a small error with a known bound. Rows that may be among the k nearest
within that error, a few more than k, are compared again in floats, so the result is exact.
docs/decisions/030-index-library.md compares it with floats and faiss.
"""

import functools
import itertools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from facespace.index.best import Best
from facespace.index.product import Whole, products
from facespace.index.rows import WIDTH, Stored
from facespace.processors import available

Floats = NDArray[np.float32]
RowIds = NDArray[np.int64]
Span = Callable[[Floats, int, int], tuple[Floats, RowIds]]

# Similarities held at once by one thread: 4 M floats take 16 MB; the integer blocks must stay in the cache.
CELLS, WHOLE_CELLS = 1 << 22, 1 << 18

# Rows compared at once: an upper bound in floats, and a lower bound in bytes because a call has a fixed cost.
BLOCK, MIN_BLOCK = 1 << 12, 1 << 10

# Minimum rows per thread: with fewer, waking the thread costs more than it saves.
MIN_ROWS_PER_THREAD = 1 << 16

# Queries that one thread processes together.
QUERIES = 512

# Bound on the error that rounding to float32 adds to a similarity.
ROUNDING = 1e-5


def nearest_points(
    queries: Floats,
    points: Floats,
    k: int,
    threads: int | None = None,
    on_done: Callable[[int], None] | None = None,
) -> tuple[Floats, RowIds]:
    """Find the k points nearest to each query; ties go to the lower row.

    Parameters
    ----------
    queries : float32, shape (n, d), L2 norm 1
    points : float32, shape (m, d), L2 norm 1
    k : int
    threads : int or None
        None uses one per core.
    on_done : progress callback or None, called with the number of queries just finished

    Returns
    -------
    distances : float32, shape (n, k), squared Euclidean, inf if there are fewer rows
    rows : int64, shape (n, k), -1 if there are fewer rows
    """

    def span(asked: Floats, start: int, stop: int) -> tuple[Floats, RowIds]:
        best = Best(len(asked), k)
        step = min(BLOCK, CELLS // len(asked))
        for low in range(start, stop, step):
            best.offer(slice(0, len(asked)), asked @ points[low : min(low + step, stop)].T, low)
        return best.result()

    return _shared_out(span, queries, len(points), k, threads, on_done)


def nearest_stored(queries: Floats, stored: Stored, k: int, threads: int | None = None) -> tuple[Floats, RowIds]:
    """Find the k stored points nearest to each query, as `nearest_points`; deleted rows are skipped."""
    return _shared_out(lambda *part: _stored_span(stored, k, *part), queries, len(stored), k, threads, None)


def _shared_out(
    span: Span, queries: Floats, rows: int, k: int, threads: int | None, on_done: Callable[[int], None] | None
) -> tuple[Floats, RowIds]:
    """Divide the work among threads; `span` returns the best similarities and rows of some rows for some queries."""
    threads = threads or available()
    similarity = np.full((len(queries), k), -np.inf, np.float32)
    found = np.full((len(queries), k), -1, np.int64)
    if 0 < len(queries) <= QUERIES:
        # With few queries, the threads divide the rows, in whole tiles.
        parts = max(1, min(threads, rows // MIN_ROWS_PER_THREAD))
        edges = [rows * part // parts // WIDTH * WIDTH for part in range(parts)] + [rows]
        if parts == 1:
            similarity, found = span(queries, 0, rows)
        else:
            pool = _kept_threads(os.getpid(), parts)
            results = list(pool.map(lambda at: span(queries, *at), itertools.pairwise(edges)))
            similarity, found = results[0]
            for more_similarity, more_found in results[1:]:
                similarity, found = _merged(similarity, found, more_similarity, more_found)
        if on_done:
            on_done(len(queries))
    else:
        starts = range(0, len(queries), QUERIES)
        with ThreadPoolExecutor(threads) as pool:
            answers = pool.map(lambda start: span(queries[start : start + QUERIES], 0, rows), starts)
            for start, (chunk_similarity, chunk_found) in zip(starts, answers, strict=True):
                similarity[start : start + QUERIES], found[start : start + QUERIES] = chunk_similarity, chunk_found
                if on_done:
                    on_done(len(chunk_found))
    return np.where(found < 0, np.float32(np.inf), np.clip(2 - 2 * similarity, 0, 4)), found


@functools.cache
def _kept_threads(process: int, threads: int) -> ThreadPoolExecutor:
    """Thread pool that is kept, because starting threads costs a millisecond; a forked process needs its own."""
    return ThreadPoolExecutor(threads, "facespace-index")


def _stored_span(stored: Stored, k: int, queries: Floats, start: int, stop: int) -> tuple[Floats, RowIds]:
    """Find the k best of some rows, starting at a tile: similarities and rows, best first."""
    whole = Whole.of(queries)
    error = whole.left + np.float32(ROUNDING)
    similarity = np.full((len(queries), k), -np.inf, np.float32)
    found = np.full((len(queries), k), -1, np.int64)
    step = max(MIN_BLOCK, WHOLE_CELLS // len(queries) // WIDTH * WIDTH)
    for low in range(start, stop, step):
        inverse = _tiled(stored.inverse[low : min(low + step, stop)])
        near, nearest = products(whole, stored.tiles[low // WIDTH :][: len(inverse)], inverse)
        # A lower bound for the k-th largest similarity; of the first rows it is estimated by their products.
        floor = similarity[:, -1] if low > start else _kth(near, nearest, k) * whole.scale - error
        bar = (floor - error) / whole.scale
        tile, own = np.nonzero(nearest >= bar)
        within, column = np.nonzero((near[tile, own] >= bar[own, None]) & (inverse[tile, 0] > 0))
        tile, own = tile[within], own[within]
        rows = low + tile * WIDTH + column
        similarity, found = _kept(similarity, found, own, rows, stored.similarities(queries, own, rows))
    return similarity, found


def _kept(similarity: Floats, found: RowIds, own: RowIds, rows: RowIds, values: Floats) -> tuple[Floats, RowIds]:
    """The k best of each query's k best so far and of more rows; `own[i]` is the query of `rows[i]`."""
    count, k = found.shape
    own = np.concatenate([np.repeat(np.arange(count), k), own])
    values, rows = np.concatenate([similarity.ravel(), values]), np.concatenate([found.ravel(), rows])
    order = np.lexsort((rows, -values, own))
    own = own[order]
    best = order[np.arange(len(own)) - np.searchsorted(own, own) < k]
    return values[best].reshape(count, k), rows[best].reshape(count, k)


def _kth(near: Floats, nearest: Floats, k: int) -> Floats:
    """A value that at least k products of some tiles reach, for each query, if it is above 0; else -inf.

    Deleted rows give 0. For many tiles, the largest product of each suffices and there are fewer of them.
    """
    values = nearest if len(nearest) > 4 * k else near.swapaxes(1, 2).reshape(-1, near.shape[1])
    if len(values) <= k:
        return np.full(near.shape[1], -np.inf, np.float32)
    kth = np.partition(values, -k, axis=0)[-k]
    return np.where(kth > 0, kth, np.float32(-np.inf))


def _tiled(inverse: Floats) -> Floats:
    """Inverse lengths arranged in tiles, shape (t, 1, WIDTH), padded with 0."""
    if len(inverse) % WIDTH:
        inverse = np.concatenate([inverse, np.zeros(-len(inverse) % WIDTH, np.float32)])
    return inverse.reshape(-1, 1, WIDTH)


def _merged(a: Floats, a_rows: RowIds, b: Floats, b_rows: RowIds) -> tuple[Floats, RowIds]:
    values, rows = np.concatenate([a, b], axis=1), np.concatenate([a_rows, b_rows], axis=1)
    order = np.lexsort((rows, -values), axis=1)[:, : a.shape[1]]
    return np.take_along_axis(values, order, 1), np.take_along_axis(rows, order, 1)
