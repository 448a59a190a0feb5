"""The k nearest rows by comparing with every one: points as floats by BLAS, stored bytes as bytes.

Bytes are compared in whole numbers, which tells each similarity up to a small error with a known bound. What may be
among the k nearest in spite of it, some rows more than k, is then compared anew in floats: the answer is exact.
docs/decisions/030-index-library.md measures it against floats and faiss.
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

# Similarities held at once by one thread, as floats: 4 M are 16 MB; as whole numbers, which stay in its cache.
CELLS, WHOLE_CELLS = 1 << 22, 1 << 18

# Rows compared at once: at most so many floats, and at least so many bytes, as a call takes its time.
BLOCK, LEAST = 1 << 12, 1 << 10

# A thread is given so many rows at least: below, waking it costs more.
A_THREAD = 1 << 16

# Queries that one thread answers together.
QUERIES = 512

# What rounding to float32 adds to the error of a similarity, and more than that.
ROUNDING = 1e-5


def nearest_points(
    queries: Floats,
    points: Floats,
    k: int,
    threads: int | None = None,
    on_done: Callable[[int], None] | None = None,
) -> tuple[Floats, RowIds]:
    """The k points nearest to each query; of equal ones the lower row comes first.

    Parameters
    ----------
    queries : float32, shape (n, d), L2 norm 1
    points : float32, shape (m, d), L2 norm 1
    k : int
    threads : int or None
        One a core where None.
    on_done : called with how many more queries are answered, if given

    Returns
    -------
    distances : float32, shape (n, k), squared Euclidean, inf where there are fewer rows
    rows : int64, shape (n, k), -1 where there are fewer rows
    """

    def span(asked: Floats, start: int, stop: int) -> tuple[Floats, RowIds]:
        best = Best(len(asked), k)
        step = min(BLOCK, CELLS // len(asked))
        for low in range(start, stop, step):
            best.offer(slice(0, len(asked)), asked @ points[low : min(low + step, stop)].T, low)
        return best.result()

    return _shared_out(span, queries, len(points), k, threads, on_done)


def nearest_stored(queries: Floats, stored: Stored, k: int, threads: int | None = None) -> tuple[Floats, RowIds]:
    """The k stored points nearest to each query, as `nearest_points` gives them; dead rows are left out."""
    return _shared_out(lambda *part: _stored_span(stored, k, *part), queries, len(stored), k, threads, None)


def _shared_out(
    span: Span, queries: Floats, rows: int, k: int, threads: int | None, on_done: Callable[[int], None] | None
) -> tuple[Floats, RowIds]:
    """Let threads share the work: `span` gives the best of some rows for some queries, similarity and row."""
    threads = threads or available()
    similarity = np.full((len(queries), k), -np.inf, np.float32)
    found = np.full((len(queries), k), -1, np.int64)
    if 0 < len(queries) <= QUERIES:
        # Few queries: the threads share the rows, in whole tiles.
        parts = max(1, min(threads, rows // A_THREAD))
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
    """Threads that stay, as new ones cost a search a millisecond; a forked process has lost its parent's."""
    return ThreadPoolExecutor(threads, "facespace-index")


def _stored_span(stored: Stored, k: int, queries: Floats, start: int, stop: int) -> tuple[Floats, RowIds]:
    """The k best of some rows, from the first of a tile on: similarity and row, best first."""
    whole, best = Whole.of(queries), Best(len(queries), k)
    error = whole.left + np.float32(ROUNDING)
    # So near k rows are at least, as the first rows tell.
    floor = np.full(len(queries), -np.inf, np.float32)
    step = max(LEAST, WHOLE_CELLS // len(queries) // WIDTH * WIDTH)
    for low in range(start, stop, step):
        inverse = _tiled(stored.inverse[low : min(low + step, stop)])
        near, nearest = products(whole, stored.tiles[low // WIDTH :][: len(inverse)], inverse)
        if low == start:
            floor = _kth(near, nearest, k) * whole.scale - error
        bar = (np.maximum(floor, best.bar) - error) / whole.scale
        tile, own = np.nonzero(nearest >= bar)
        within, column = np.nonzero((near[tile, own] >= bar[own, None]) & (inverse[tile, 0] > 0))
        tile, own = tile[within], own[within]
        order = np.argsort(own, kind="stable")
        own, rows = own[order], low + tile[order] * WIDTH + column[order]
        best.offer_pairs(own, rows, stored.similarities(queries, own, rows))
    return best.result()


def _kth(near: Floats, nearest: Floats, k: int) -> Floats:
    """For each query, what at least k products of some tiles reach, if that is above 0; else -inf, as dead rows give 0.

    Of many tiles their largest tell nearly as much as all products, and are fewer.
    """
    values = nearest if len(nearest) > 4 * k else near.swapaxes(1, 2).reshape(-1, near.shape[1])
    if len(values) <= k:
        return np.full(near.shape[1], -np.inf, np.float32)
    kth = np.partition(values, -k, axis=0)[-k]
    return np.where(kth > 0, kth, np.float32(-np.inf))


def _tiled(inverse: Floats) -> Floats:
    """Inverse lengths as tiles have them, shape (t, 1, WIDTH), 0 where the last has no row."""
    if len(inverse) % WIDTH:
        inverse = np.concatenate([inverse, np.zeros(-len(inverse) % WIDTH, np.float32)])
    return inverse.reshape(-1, 1, WIDTH)


def _merged(a: Floats, a_rows: RowIds, b: Floats, b_rows: RowIds) -> tuple[Floats, RowIds]:
    values, rows = np.concatenate([a, b], axis=1), np.concatenate([a_rows, b_rows], axis=1)
    order = np.lexsort((rows, -values), axis=1)[:, : a.shape[1]]
    return np.take_along_axis(values, order, 1), np.take_along_axis(rows, order, 1)
