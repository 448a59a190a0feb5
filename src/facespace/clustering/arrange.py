"""Assign faces to clusters: all of them, new ones, or after a decision; and keep cluster ids stable.

Functions on arrays. Constraints are pairs that must be together (m, 2), pairs that must be apart (k, 2), and colours
(n,): points with different colours must be apart.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facespace.clustering.graph import Candidates, Graph, candidate_graph, graph_of
from facespace.clustering.linkage import Merges, average_linkage, components, first_appearance
from facespace.clustering.threshold import Cut
from facespace.metric import squared_distances

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]

# Up to this many members, the graph within one cluster is complete.
_COMPLETE = 2_000

# At most this many existing points are placed again because of new ones; all are compared with each other.
_LOOSENED = 20_000


@dataclass(frozen=True)
class Constraints:
    """Constraints on points: rows together (m, 2), rows apart (k, 2), and colours (n,), -1 for none."""

    together: Ints
    apart: Ints
    colour: Ints

    @classmethod
    def nothing(cls, count: int) -> "Constraints":
        """No constraints."""
        return cls(np.empty((0, 2), np.int64), np.empty((0, 2), np.int64), np.full(count, -1))

    def bound(self, count: int) -> Ints:
        """Group of points that must be together, for each point; most groups have one point."""
        return components(count, self.together[:, 0], self.together[:, 1])

    def of(self, rows: Ints, count: int) -> "Constraints":
        """Constraints among some of the points (rows in ascending order)."""
        place = np.full(count, -1)
        place[rows] = np.arange(len(rows))
        together, apart = place[self.together], place[self.apart]
        return Constraints(together[(together >= 0).all(axis=1)], apart[(apart >= 0).all(axis=1)], self.colour[rows])


@dataclass(frozen=True)
class Arrangement:
    """Clusters of points.

    labels : int64, shape (n,)
    cut : squared distance that they were cut at
    merges : the merges that formed them, if all points were clustered
    """

    labels: Ints
    cut: float
    merges: Merges


def arrange(
    points: Floats, cut: Cut, constraints: Constraints | None = None, candidates: Candidates = candidate_graph
) -> Arrangement:
    """Cluster all points by average linkage, then apply the constraints.

    Constraints come second because the mean of faces that do not look alike (a child and the adult) is near neither's
    photos.

    Parameters
    ----------
    points : ndarray of float32, shape (n, d)
    cut : Cut
    constraints : Constraints or None
        Must be free of contradictions.
    candidates : callable
        Finds the pairs of points that may be together; `facespace.clustering.ray` has one that uses Ray.
    """
    count = len(points)
    constraints = constraints or Constraints.nothing(count)
    graph = candidates(points, cut.threshold)
    merges = _linked(points, graph, cut.threshold, np.arange(count), constraints.bound(count), constraints)
    used = cut.of(merges, points)
    labels = _united(merges.cut(used), constraints.together)
    return Arrangement(_alone_where_apart(points, labels, constraints), used, merges)


def join(points: Floats, labels: Ints, cut: float, constraints: Constraints) -> Ints:
    """Assign new points (label -1): they join clusters, found new ones, or connect two; the rest stays as it is.

    Parameters
    ----------
    points : ndarray of float32, shape (n, d)
    labels : int array, shape (n,)
    cut : float
    constraints : Constraints

    Returns
    -------
    ndarray of int64, shape (n,)
        Old points that were together stay together, if the constraints allow it.
    """
    count = len(points)
    fresh = np.flatnonzero(labels < 0)
    before = labels.copy()
    before[fresh] = labels.max(initial=-1) + 1 + np.arange(len(fresh))
    ties = np.concatenate([_stars(before), constraints.together])
    whole = components(count, *ties.T)
    start = pieces(points, before, cut, constraints)
    merges = _linked(points, graph_of(points, fresh, cut), cut, start, whole, constraints)
    return _alone_where_apart(points, _united(merges.cut(cut), ties), constraints)


def loosened(points: Floats, labels: Ints, cut: float, constraints: Constraints) -> Ints:
    """Return the labels with -1 for all points of clusters that a new point (label -1) comes near.

    When these are placed again with the new points, the result is close to clustering everything; otherwise mistakes
    made with fewer photos would remain (benchmarks/cluster_incremental.py). Clusters that a decision is about stay
    whole, unless it only says that two faces differ.
    """
    graph = graph_of(points, np.flatnonzero(labels < 0), cut)
    said = np.concatenate([constraints.together.ravel(), np.flatnonzero(constraints.colour >= 0)])
    again = np.isin(labels, np.setdiff1d(labels[graph.b], labels[said])) & (labels >= 0)
    return labels if again.sum() > _LOOSENED else np.where(again, -1, labels)


def pieces(points: Floats, labels: Ints, cut: float, constraints: Constraints) -> Ints:
    """Divide clusters that decisions merged into parts that look alike; all others stay whole."""
    found = first_appearance(labels)
    following = int(found.max(initial=-1)) + 1
    for label in np.unique(found[constraints.together]):
        rows = np.flatnonzero(found == label)
        parts = average_linkage(points[rows], candidate_graph(points[rows], cut), cut).cut(cut)
        found[rows[parts > 0]] = following + parts[parts > 0] - 1
        following += int(parts.max())
    return first_appearance(found)


def _linked(points: Floats, graph: Graph, cut: float, start: Ints, whole: Ints, constraints: Constraints) -> Merges:
    """Average linkage of pieces; constraints of one piece apply to its whole cluster."""
    colour = np.full(int(whole.max(initial=-1)) + 1, -1)
    known = constraints.colour >= 0
    colour[whole[known]] = constraints.colour[known]
    stated = [constraints.apart]
    pairs = np.unique(np.stack([whole, start], axis=1), axis=0, return_index=True)
    owner, first = pairs[0][:, 0], pairs[1]
    several = np.bincount(owner, minlength=len(colour)) > 1
    a, b = whole[constraints.apart].T
    for left, right in {(int(i), int(j)) for i, j in zip(a, b, strict=True) if several[i] or several[j]}:
        heads, tails = np.meshgrid(first[owner == left], first[owner == right])
        stated.append(np.stack([heads.ravel(), tails.ravel()], axis=1))
    return average_linkage(points, graph, cut, start=start, apart=np.concatenate(stated), colour=colour[whole])


def _united(labels: Ints, ties: Ints) -> Ints:
    return components(len(labels), *np.concatenate([_stars(labels), ties]).T)


def _alone_where_apart(points: Floats, labels: Ints, constraints: Constraints) -> Ints:
    """Where uniting brings together points that must be apart, make one of each such pair a cluster of its own."""
    labels = _parted(points, labels, constraints, np.zeros(len(points), bool))
    alone = labels < 0
    labels[alone] = labels.max(initial=-1) + 1 + constraints.bound(len(points))[alone]
    return first_appearance(labels)


def settle(points: Floats, labels: Ints, constraints: Constraints, cut: float, loose: Ints) -> Ints:
    """Make clusters satisfy the constraints, moving as few points as possible.

    Points that must be together move to where most of them are. Of two points in a cluster that must be apart, the one
    farther from the rest leaves with the points bound to it, and joins a near cluster or founds its own.

    Parameters
    ----------
    labels : int array, shape (n,)
        Preferred clusters; -1 for points without one.
    loose : int array
        Rows that leave first if one must: faces of a gallery.
    """
    labels = labels.copy()
    _gather(labels, constraints.bound(len(points)), constraints.together)
    leaves_first = np.zeros(len(points), bool)
    leaves_first[loose] = True
    labels = _parted(points, labels, constraints, leaves_first)
    return join(points, labels, cut, constraints) if (labels < 0).any() else labels


def _parted(points: Floats, labels: Ints, constraints: Constraints, leaves_first: NDArray[np.bool_]) -> Ints:
    """Return the labels with -1 for points that must leave their cluster."""
    labels, bound = labels.copy(), constraints.bound(len(points))
    while len(conflicts := _conflicts(labels, bound, constraints)):
        a, b = conflicts[0]
        rest = labels == labels[a]
        far_a, far_b = (_distance_to(points, row, rest & (bound != bound[row])) for row in (a, b))
        gone = a if (leaves_first[a], far_a) > (leaves_first[b], far_b) else b
        labels[rest & (bound == bound[gone])] = -1
    return labels


def part(points: Floats, constraints: Constraints) -> Ints:
    """Split the points of one cluster only as far as the constraints require; nearest points stay together."""
    everything = 4.0 * float(np.einsum("nd,nd->n", points, points).max(initial=1.0)) + 1
    if len(points) <= _COMPLETE:
        a, b = np.triu_indices(len(points), 1)
        graph = Graph(a, b, squared_distances(points, points)[a, b])
    else:
        graph = candidate_graph(points, everything, largest=_COMPLETE)
    merges = average_linkage(
        points,
        graph,
        everything,
        start=constraints.bound(len(points)),
        apart=constraints.apart,
        colour=constraints.colour,
    )
    return merges.cut(everything)


def carry(before: Ints, labels: Ints, following: int, kept: Ints | None = None) -> Ints:
    """Assign ids to clusters so that they stay as stable as possible: an id goes where most of its points went.

    Parameters
    ----------
    before : int array, shape (n,)
        Previous ids; -1 for new points.
    labels : int array, shape (n,)
        Current clusters.
    following : int
        First unused id; new clusters get this one and the next ones.
    kept : int array or None
        Ids that take precedence however few their points: those with names.
    """
    old = before >= 0
    pairs, overlap = np.unique(np.stack([before[old], labels[old]], axis=1), axis=0, return_counts=True)
    named = np.isin(pairs[:, 0], np.empty(0, np.int64) if kept is None else kept)
    ids: dict[int, int] = {}
    used: set[int] = set()
    for place in np.lexsort((pairs[:, 0], -overlap, ~named)):
        name, label = int(pairs[place, 0]), int(pairs[place, 1])
        if name not in used and label not in ids:
            ids[label] = name
            used.add(name)
    ordered = np.unique(first_appearance(labels), return_index=True)[1]
    for row in ordered:
        if int(labels[row]) not in ids:
            ids[int(labels[row])] = following
            following += 1
    distinct, place = np.unique(labels, return_inverse=True)
    return np.array([ids[int(label)] for label in distinct], np.int64)[place]


def _stars(labels: Ints) -> Ints:
    """Pairs that connect each cluster: every point with the cluster's first."""
    _, first, number = np.unique(labels, return_index=True, return_inverse=True)
    return np.stack([np.arange(len(labels)), first[number]], axis=1)


def _gather(labels: Ints, bound: Ints, together: Ints) -> None:
    """Move points that must be together, but are in several clusters, to the cluster with most of them."""
    for group in np.unique(bound[together[:, 0]]):
        rows = np.flatnonzero(bound == group)
        placed = labels[rows][labels[rows] >= 0]
        if len(placed):
            values, counts = np.unique(placed, return_counts=True)
            labels[rows] = values[counts.argmax()]


def _conflicts(labels: Ints, bound: Ints, constraints: Constraints) -> Ints:
    """Pairs in one cluster that must be apart; pairs that decisions bind together are excluded."""
    a, b = constraints.apart.T
    wrong = (labels[a] == labels[b]) & (labels[a] >= 0) & (bound[a] != bound[b])
    found = [constraints.apart[wrong]]
    coloured = np.flatnonzero((constraints.colour >= 0) & (labels >= 0))
    order = coloured[np.argsort(labels[coloured], kind="stable")]
    here, following = order[:-1], order[1:]
    clash = (labels[here] == labels[following]) & (constraints.colour[here] != constraints.colour[following])
    found.append(np.stack([here[clash], following[clash]], axis=1))
    return np.concatenate(found)


def _distance_to(points: Floats, row: int, others: NDArray[np.bool_]) -> float:
    return float(squared_distances(points[row][None], points[others]).mean()) if others.any() else np.inf
