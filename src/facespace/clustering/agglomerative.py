"""Exact agglomerative clustering (paper section 5.6): everybody starts alone, the nearest groups merge."""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facespace.errors import DataError
from facespace.metric import as_embeddings, squared_distance_blocks

Linkage = Literal["average", "complete"]

LARGEST = 20_000


def agglomerative(embeddings: ArrayLike, threshold: float, linkage: Linkage = "average") -> NDArray[np.int64]:
    """Group points until no two groups are as near as the threshold.

    Parameters
    ----------
    embeddings : array-like, shape (n, d)
        At most 20,000: the distances of all pairs are held, 4 n (n - 1) bytes of float64 (1.6 GB at 20,000).
    threshold : float
        Groups at this squared distance or nearer are merged.
    linkage : 'average' or 'complete'
        Distance of two groups: mean or maximum of the squared distances between their members.

    Returns
    -------
    ndarray of int64, shape (n,)
        The group of each point, numbered from 0 by first appearance.

    Raises
    ------
    DataError
        More points than can be held.
    """
    points = as_embeddings(embeddings)
    count = len(points)
    if count > LARGEST:
        raise DataError(
            f"{count:,} faces are too many for exact clustering, which holds {4 * count * (count - 1) / 1e9:.0f} GB "
            f"of distances; give at most {LARGEST:,}"
        )
    if count < 2:
        return np.zeros(count, np.int64)
    # Imported on first use, because it imports scipy.
    import fastcluster

    merges = fastcluster.linkage(_condensed(points), method=linkage, preserve_input=False)
    return _cut(merges, count, threshold)


def _condensed(points: NDArray[np.float32]) -> NDArray[np.float64]:
    """The upper triangle of the distance matrix, row after row, without ever holding the square."""
    count = len(points)
    distances = np.empty(count * (count - 1) // 2)
    at = 0
    for rows, block in squared_distance_blocks(points, points):
        for row, found in zip(range(rows.start, rows.stop), block, strict=True):
            distances[at : at + count - row - 1] = found[row + 1 :]
            at += count - row - 1
    return distances


def _cut(merges: NDArray[np.float64], count: int, threshold: float) -> NDArray[np.int64]:
    """Follow the merges up to the threshold. Both linkages never merge nearer than before, so that is a cut."""
    parent = np.arange(2 * count - 1)
    for number, (left, right, height, _) in enumerate(merges):
        if height > threshold:
            break
        parent[[int(left), int(right)]] = count + number
    # A parent always has a higher number, so one pass from the top resolves every root.
    for node in range(2 * count - 2, -1, -1):
        parent[node] = parent[parent[node]]
    _, first, labels = np.unique(parent[:count], return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[labels].astype(np.int64)
