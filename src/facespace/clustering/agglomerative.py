"""Exact agglomerative clustering (paper section 5.6): start with single faces and merge the nearest groups."""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facespace.errors import DataError
from facespace.metric import as_embeddings, squared_distance_blocks

Linkage = Literal["average", "complete"]

LARGEST = 20_000


def agglomerative(embeddings: ArrayLike, threshold: float, linkage: Linkage = "average") -> NDArray[np.int64]:
    """Merge the nearest groups until none are within the threshold.

    Parameters
    ----------
    embeddings : array-like, shape (n, d)
        At most 20,000: all pairwise distances are kept, 4 n (n - 1) bytes of float64 (1.6 GB at 20,000).
    threshold : float
        Groups within this squared distance are merged.
    linkage : 'average' or 'complete'
        Distance between two groups: mean or maximum of the squared distances between their members.

    Returns
    -------
    ndarray of int64, shape (n,)
        Group of each point, numbered from 0 by first appearance.

    Raises
    ------
    DataError
        There are more points than fit in memory.
    """
    points = as_embeddings(embeddings)
    count = len(points)
    if count > LARGEST:
        raise DataError(
            f"{count:,} faces are too many for exact clustering, which needs {4 * count * (count - 1) / 1e9:.0f} GB "
            f"for their distances; the limit is {LARGEST:,}"
        )
    if count < 2:
        return np.zeros(count, np.int64)
    # Imported on first use, because it imports scipy.
    import fastcluster

    merges = fastcluster.linkage(_condensed(points), method=linkage, preserve_input=False)
    return _cut(merges, count, threshold)


def _condensed(points: NDArray[np.float32]) -> NDArray[np.float64]:
    """Compute the upper triangle of the distance matrix, row by row, without building the full matrix."""
    count = len(points)
    distances = np.empty(count * (count - 1) // 2)
    at = 0
    for rows, block in squared_distance_blocks(points, points):
        for row, found in zip(range(rows.start, rows.stop), block, strict=True):
            distances[at : at + count - row - 1] = found[row + 1 :]
            at += count - row - 1
    return distances


def _cut(merges: NDArray[np.float64], count: int, threshold: float) -> NDArray[np.int64]:
    """Apply the merges up to the threshold. With both linkages, merge heights never decrease, so this is a cut."""
    parent = np.arange(2 * count - 1)
    for number, (left, right, height, _) in enumerate(merges):
        if height > threshold:
            break
        parent[[int(left), int(right)]] = count + number
    # A parent always has a higher number, so one pass from the top resolves all roots.
    for node in range(2 * count - 2, -1, -1):
        parent[node] = parent[parent[node]]
    _, first, labels = np.unique(parent[:count], return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[labels].astype(np.int64)
