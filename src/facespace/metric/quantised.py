"""Embeddings quantised to one signed byte per dimension (paper section 5.2: 128 bytes per face lose no accuracy).

A point on the unit sphere is determined by its direction, so each row is scaled by its own largest component and the
scale is not stored: the norm of the bytes restores it.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facespace.metric.distance import as_embeddings, normalise

Bytes = NDArray[np.int8]


def quantise(embeddings: ArrayLike) -> Bytes:
    """Round embeddings to signed bytes, the largest component of each row to +-127.

    Parameters
    ----------
    embeddings : array-like, shape (n, d)
        L2 norm 1; no row may be all zeros.

    Returns
    -------
    ndarray of int8, shape (n, d)
    """
    points = normalise(as_embeddings(embeddings))
    largest = np.abs(points).max(axis=1, keepdims=True, initial=0)
    return np.rint(points * (127 / largest)).astype(np.int8)


def dequantise(quantised: Bytes) -> NDArray[np.float32]:
    """Return the unit vectors that quantised embeddings represent.

    Parameters
    ----------
    quantised : ndarray of int8, shape (n, d)

    Returns
    -------
    ndarray of float32, shape (n, d), L2 norm 1
    """
    return normalise(np.asarray(quantised, np.int8).astype(np.float32))


def quantised_squared_distances(a: Bytes, b: Bytes) -> NDArray[np.float32]:
    """Squared Euclidean distances between quantised embeddings, as points on the unit sphere.

    Parameters
    ----------
    a : ndarray of int8, shape (n, d)
    b : ndarray of int8, shape (m, d)

    Returns
    -------
    ndarray of float32, shape (n, m), between 0 and 4
    """
    # float32 represents every sum of products of bytes exactly up to d = 1,040 (127^2 d < 2^24), and BLAS is far
    # faster on floats than numpy on integers.
    left, right = np.asarray(a, np.int8).astype(np.float32), np.asarray(b, np.int8).astype(np.float32)
    norms = np.linalg.norm(left, axis=1)[:, None] * np.linalg.norm(right, axis=1)[None, :]
    return np.clip(2 - 2 * (left @ right.T) / norms, 0, 4).astype(np.float32)
