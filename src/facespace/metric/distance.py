"""Squared Euclidean distance between embeddings, the measure of similarity (paper section 3)."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facespace.errors import EmbeddingError

Floats = NDArray[np.float32]

# Default size of a block of distances. It counts cells, not rows: 2,048 x 1,000,000 float32 would take 8 GB.
BLOCK_CELLS = 1 << 24

# Allowed deviation of an embedding's L2 norm from 1; storing it in float16 changes it by less than 0.001.
_NORM_SLACK = 0.01


def as_embeddings(embeddings: ArrayLike, name: str = "embeddings") -> Floats:
    """Check embeddings of any norm and convert them to float32.

    Parameters
    ----------
    embeddings : array-like, shape (n, d)
    name : str
        Name of the argument in error messages.

    Returns
    -------
    ndarray of float32, shape (n, d)

    Raises
    ------
    EmbeddingError
        The input is not numeric or not two-dimensional, or a value is NaN or infinite. It is also a ValueError.
    """
    array = _as_numbers(embeddings, name)
    if array.ndim != 2:
        raise EmbeddingError(f"{name} must have shape (n, d), not {array.shape}; for one point use point[None]")
    if not np.isfinite(array).all():
        row = int(np.flatnonzero(~np.isfinite(array).all(axis=1))[0])
        raise EmbeddingError(f"{name} has a NaN or infinite value in row {row}; drop or re-embed that photo")
    return array


def as_points(embeddings: ArrayLike, dimension: int | None = None, name: str = "embeddings") -> Floats:
    """Check embeddings passed in by a caller: right dimension, finite, L2 norm 1.

    Parameters
    ----------
    embeddings : array-like, shape (n, d)
    dimension : int or None
        Required d; None allows any.
    name : str
        Name of the argument in error messages.

    Returns
    -------
    ndarray of float32, shape (n, d), unchanged values

    Raises
    ------
    EmbeddingError
        A check failed; the message names the row. It is also a ValueError.
    """
    array = as_embeddings(embeddings, name)
    if dimension is not None and array.shape[1] != dimension:
        raise EmbeddingError(
            f"{name} must have shape (n, {dimension}), not {array.shape}: embeddings of different models cannot be "
            "compared; embed the photos with this model"
        )
    norms = np.linalg.norm(array.astype(np.float64), axis=1)
    if (wrong := np.flatnonzero(np.abs(norms - 1) > _NORM_SLACK)).size:
        row = int(wrong[0])
        why = "is all zeros" if norms[row] == 0 else f"has L2 norm {norms[row]:.4g}"
        raise EmbeddingError(
            f"row {row} of {name} {why}, but an embedding must have L2 norm 1; "
            "pass an embedding that a space returned, or apply facespace.metric.normalise"
        )
    return array


def as_point(embedding: ArrayLike, dimension: int | None = None, name: str = "embedding") -> Floats:
    """Check one embedding of shape (d,); as `as_points`."""
    array = _as_numbers(embedding, name)
    if array.ndim != 1:
        raise EmbeddingError(f"{name} must be one embedding of shape (d,), not an array of shape {array.shape}")
    if not np.isfinite(array).all():
        raise EmbeddingError(f"{name} has a NaN or infinite value; embed that photo again")
    if dimension is not None and len(array) != dimension:
        raise EmbeddingError(
            f"{name} has {len(array)} numbers, but this space has {dimension} dimensions: it comes from another model; "
            "embed the photo with this one"
        )
    norm = float(np.linalg.norm(array.astype(np.float64)))
    if abs(norm - 1) > _NORM_SLACK:
        why = "is all zeros" if norm == 0 else f"has L2 norm {norm:.4g}"
        raise EmbeddingError(
            f"{name} {why}, but an embedding must have L2 norm 1; "
            "pass an embedding that a space returned, or apply facespace.metric.normalise"
        )
    return array


def _as_numbers(values: ArrayLike, name: str) -> Floats:
    """Convert to float32; the EmbeddingError names the type of what cannot be converted."""
    kind = type(values).__name__
    if isinstance(values, str | bytes | bytearray | dict) or values is None:
        raise EmbeddingError(f"{name} must be an array of numbers, not {kind}")
    try:
        found = np.asarray(values)
        if found.dtype.kind not in "fiub":
            raise TypeError(f"its values are {found.dtype}")
        return found.astype(np.float32, copy=False)
    except (TypeError, ValueError, RuntimeError) as error:
        raise EmbeddingError(
            f"{name} must be an array of numbers of one length, not this {kind} ({str(error)[:120]}); "
            "for a torch tensor, pass tensor.detach().cpu().numpy()"
        ) from None


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
        A row is all zeros, NaN or infinite, so it has no direction.
    """
    array = as_embeddings(embeddings)
    # Dividing by the largest component first prevents the squares from underflowing or overflowing.
    largest = np.abs(array).max(axis=1, keepdims=True, initial=0)
    if (largest == 0).any():
        row = int(np.flatnonzero(largest[:, 0] == 0)[0])
        raise ValueError(f"row {row} is all zeros and has no direction; drop or re-embed that photo")
    scaled = array / largest
    return (scaled / np.linalg.norm(scaled, axis=1, keepdims=True)).astype(np.float32)


def squared_distances(a: ArrayLike, b: ArrayLike) -> Floats:
    """Squared Euclidean distances between every row of `a` and every row of `b`.

    Parameters
    ----------
    a : array-like, shape (n, d)
    b : array-like, shape (m, d)

    Returns
    -------
    ndarray of float32, shape (n, m)
        Never negative; between 0 and 4 for points on the unit sphere. The result is the only large array
        allocated; for more rows than fit in memory see `squared_distance_blocks` and `nearest`.
    """
    a, b = _comparable(a, b)
    distances = a @ b.T
    distances *= -2
    distances += np.einsum("nd,nd->n", a, a)[:, None]
    distances += np.einsum("md,md->m", b, b)[None, :]
    return np.maximum(distances, 0, out=distances)


def paired_squared_distances(a: ArrayLike, b: ArrayLike) -> Floats:
    """Squared Euclidean distance between each row of `a` and the same row of `b`.

    Parameters
    ----------
    a, b : array-like, shape (n, d)

    Returns
    -------
    ndarray of float32, shape (n,)
    """
    a, b = _comparable(a, b)
    if len(a) != len(b):
        raise EmbeddingError(f"a has {len(a)} rows but b has {len(b)}; they are compared row by row")
    difference = a - b
    return np.einsum("nd,nd->n", difference, difference)


def _comparable(a: ArrayLike, b: ArrayLike) -> tuple[Floats, Floats]:
    one, other = as_embeddings(a, "a"), as_embeddings(b, "b")
    if one.shape[1] != other.shape[1]:
        raise EmbeddingError(
            f"a has {one.shape[1]} numbers per row but b has {other.shape[1]}: they come from different models"
        )
    return one, other


def squared_distance_blocks(a: ArrayLike, b: ArrayLike, cells: int = BLOCK_CELLS) -> Iterator[tuple[slice, Floats]]:
    """Yield the distances between `a` and `b` in blocks of whole rows, of at most about `cells` numbers each.

    Parameters
    ----------
    a : array-like, shape (n, d)
    b : array-like, shape (m, d)
    cells : int
        Upper bound on the numbers in one block; a block has at least one row.

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
    """Find the `k` nearest points of each query, exactly, without holding all distances at once.

    Parameters
    ----------
    queries : array-like, shape (n, d)
    points : array-like, shape (m, d)
    k : int
        At least 1. If there are fewer points, all of them are returned.

    Returns
    -------
    distances : ndarray of float32, shape (n, min(k, m))
        Squared, ascending.
    indices : ndarray of int64, shape (n, min(k, m))
        Rows of `points`; ties go to the lower row.
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
            # Everything up to the k-th distance, including ties, so that ties are broken by row and not by chance.
            kth = np.partition(found, k - 1)[k - 1]
            candidates = np.flatnonzero(found <= kth)
            order = candidates[np.argsort(found[candidates], kind="stable")][:k]
            indices[row] = order
            distances[row] = found[order]
    return distances, indices
