"""Squared Euclidean distance between embeddings: the measure of likeness (paper section 3)."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float32]

# Rows compared at a time where the caller does not say: 2,048 x 1,000,000 float32 would be 8 GB,
# so blocks are bounded in cells, not in rows.
BLOCK_CELLS = 1 << 24


def as_embeddings(embeddings: ArrayLike, name: str = "embeddings") -> Floats:
    """Check and convert embeddings once, at the door.

    Parameters
    ----------
    embeddings : array-like, shape (n, d)
    name : str
        What to call them in the error message.

    Returns
    -------
    ndarray of float32, shape (n, d)

    Raises
    ------
    ValueError
        Not two-dimensional, or a value is NaN or infinite.
    """
    array = np.asarray(embeddings, dtype=np.float32)
    if array.ndim != 2:
        raise ValueError(f"{name} must have shape (n, d), not {array.shape}; for one point use point[None]")
    if not np.isfinite(array).all():
        row = int(np.flatnonzero(~np.isfinite(array).all(axis=1))[0])
        raise ValueError(f"{name} has a NaN or infinite value in row {row}; drop or re-embed that photo")
    return array


def normalise(embeddings: ArrayLike) -> Floats:
    """Scale each row to L2 norm 1, onto the unit hypersphere (paper section 3.1).

    Parameters
    ----------
    embeddings : array-like, shape (n, d)

    Returns
    -------
    ndarray of float32, shape (n, d)

    Raises
    ------
    ValueError
        A row is all zeros, NaN or infinite: it has no direction.
    """
    array = as_embeddings(embeddings)
    # Dividing by the largest component first keeps the squares from under- and overflowing.
    largest = np.abs(array).max(axis=1, keepdims=True, initial=0)
    if (largest == 0).any():
        row = int(np.flatnonzero(largest[:, 0] == 0)[0])
        raise ValueError(f"row {row} is all zeros and has no direction; drop or re-embed that photo")
    scaled = array / largest
    return (scaled / np.linalg.norm(scaled, axis=1, keepdims=True)).astype(np.float32)


def squared_distances(a: ArrayLike, b: ArrayLike) -> Floats:
    """Squared Euclidean distance of every row of `a` to every row of `b`.

    Parameters
    ----------
    a : array-like, shape (n, d)
    b : array-like, shape (m, d)

    Returns
    -------
    ndarray of float32, shape (n, m)
        Never negative; between 0 and 4 for points on the unit sphere. The (n, m) result is the only large
        array made; for more rows than fit in memory see `squared_distance_blocks` and `nearest`.
    """
    a, b = as_embeddings(a, "a"), as_embeddings(b, "b")
    distances = a @ b.T
    distances *= -2
    distances += np.einsum("nd,nd->n", a, a)[:, None]
    distances += np.einsum("md,md->m", b, b)[None, :]
    return np.maximum(distances, 0, out=distances)


def paired_squared_distances(a: ArrayLike, b: ArrayLike) -> Floats:
    """Squared Euclidean distance of each row of `a` to the same row of `b`.

    Parameters
    ----------
    a, b : array-like, shape (n, d)

    Returns
    -------
    ndarray of float32, shape (n,)
    """
    difference = as_embeddings(a, "a") - as_embeddings(b, "b")
    return np.einsum("nd,nd->n", difference, difference)


def squared_distance_blocks(a: ArrayLike, b: ArrayLike, cells: int = BLOCK_CELLS) -> Iterator[tuple[slice, Floats]]:
    """Yield the distances of `a` to `b` in blocks of whole rows, at most about `cells` numbers each.

    Parameters
    ----------
    a : array-like, shape (n, d)
    b : array-like, shape (m, d)
    cells : int
        Upper bound of the numbers in one block (one row is the least).

    Yields
    ------
    rows : slice
        The rows of `a` that the block covers.
    block : ndarray of float32, shape (rows, m)
    """
    a, b = as_embeddings(a, "a"), as_embeddings(b, "b")
    step = max(1, cells // max(1, len(b)))
    for start in range(0, len(a), step):
        rows = slice(start, min(start + step, len(a)))
        yield rows, squared_distances(a[rows], b)


def nearest(queries: ArrayLike, points: ArrayLike, k: int) -> tuple[Floats, NDArray[np.int64]]:
    """The `k` nearest points of each query, exactly, without holding all distances at once.

    Parameters
    ----------
    queries : array-like, shape (n, d)
    points : array-like, shape (m, d)
    k : int
        At least 1. Where fewer points exist, all of them are returned.

    Returns
    -------
    distances : ndarray of float32, shape (n, min(k, m))
        Squared, ascending.
    indices : ndarray of int64, shape (n, min(k, m))
        Rows of `points`; of equal distances the lower row comes first.
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}")
    queries, points = as_embeddings(queries, "queries"), as_embeddings(points, "points")
    k = min(k, len(points))
    distances = np.empty((len(queries), k), np.float32)
    indices = np.empty((len(queries), k), np.int64)
    if k == 0:
        return distances, indices
    for rows, block in squared_distance_blocks(queries, points):
        for row, found in zip(range(rows.start, rows.stop), block, strict=True):
            # All up to the k-th distance, ties included, so that ties are broken by row, not by chance.
            kth = np.partition(found, k - 1)[k - 1]
            candidates = np.flatnonzero(found <= kth)
            order = candidates[np.argsort(found[candidates], kind="stable")][:k]
            indices[row] = order
            distances[row] = found[order]
    return distances, indices
