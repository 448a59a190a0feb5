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
