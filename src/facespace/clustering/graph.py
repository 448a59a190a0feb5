"""Candidate pairs: faces that are near enough to be compared."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facespace.index import Neighbours, neighbours
from facespace.metric import squared_distance_blocks

# Up to this many points, all pairs are compared: it takes a few seconds, and clustering is exact.
EXACT_UP_TO = 20_000

# Neighbours per point beyond that; docs/decisions/040-graph-clustering.md.
NEIGHBOURS = 16

# Points whose pairs are searched for together where all are compared.
EXACT_ROWS = 2_048

_NO_PAIRS = (np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))


@dataclass(frozen=True)
class Graph:
    """Pairs of points with their squared distances.

    a, b : int64, shape (m,)
    distance : float32, shape (m,)
    """

    a: NDArray[np.int64]
    b: NDArray[np.int64]
    distance: NDArray[np.float32]


# Finds the candidate pairs of points within a radius.
Candidates = Callable[[NDArray[np.float32], float], Graph]


def radius_graph(points: NDArray[np.float32], radius: float) -> Graph:
    """Find all pairs of points within this squared distance by comparing every pair."""
    parts = [radius_part(points, start, start + EXACT_ROWS, radius) for start in range(0, len(points), EXACT_ROWS)]
    return joined(parts)


def radius_part(points: NDArray[np.float32], start: int, stop: int, radius: float) -> Graph:
    """Find the pairs of `radius_graph` whose first point is in a range."""
    found = []
    for rows, block in squared_distance_blocks(points[start:stop], points):
        i, j = np.nonzero(block <= radius)
        later = j > i + rows.start + start
        i, j = i[later], j[later]
        found.append(Graph(i + rows.start + start, j, block[i, j]))
    return joined(found)


def joined(parts: Sequence[Graph]) -> Graph:
    """The pairs of several graphs, one after the other."""
    columns = [(part.a, part.b, part.distance) for part in parts] or [_NO_PAIRS]
    return Graph(*(np.concatenate(column) for column in zip(*columns, strict=True)))


def neighbour_graph(points: NDArray[np.float32], radius: float, k: int = NEIGHBOURS) -> Graph:
    """Find the k nearest others of every point, within the radius.

    The cost grows nearly as n log n if the index is approximate. A pair is included if either point finds the other.
    """
    return mutual_graph(neighbours(points, min(k, max(1, len(points) - 1))), radius)


def mutual_graph(found: Neighbours, radius: float) -> Graph:
    """Return the pairs of which either point is a neighbour of the other within the radius, each pair once."""
    count = len(found.rows)
    near = (found.distances <= radius) & (found.rows >= 0)
    a, b = np.nonzero(near)[0], found.rows[near]
    keys, first = np.unique(np.minimum(a, b) * count + np.maximum(a, b), return_index=True)
    low, high = np.divmod(keys, max(1, count))
    return Graph(low, high, found.distances[near][first])


def candidate_graph(
    points: NDArray[np.float32],
    radius: float,
    largest: int = EXACT_UP_TO,
) -> Graph:
    """All pairs within the radius if comparing them takes seconds, otherwise the pairs of nearest neighbours."""
    if len(points) <= largest:
        return radius_graph(points, radius)
    return neighbour_graph(points, radius)


def graph_of(points: NDArray[np.float32], rows: NDArray[np.int64], radius: float) -> Graph:
    """Pairs within the radius that include one of these rows."""
    found = [_NO_PAIRS]
    for part, block in squared_distance_blocks(points[rows], points):
        i, j = np.nonzero(block <= radius)
        own = rows[part][i]
        found.append((own[own != j], j[own != j], block[i, j][own != j]))
    return Graph(*(np.concatenate(column) for column in zip(*found, strict=True)))
