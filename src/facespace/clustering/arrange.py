"""Faces into clusters: anew, with some added, or after something was said; and ids that stay.

Everything here is arrays in, arrays out. Knowledge is pairs together (m, 2), pairs apart (k, 2), and colours (n,) of
which two differing ones never meet.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facespace.clustering.graph import Candidates, Graph, candidate_graph, graph_of
from facespace.clustering.linkage import Merges, average_linkage, components, first_appearance
from facespace.clustering.threshold import Cut
from facespace.metric import squared_distances

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]

# The graph of 'everything within one cluster' is complete up to this many members.
_COMPLETE = 2_000

# At most so many old points are placed again for the sake of new ones: all are compared with each of them.
_LOOSENED = 20_000


@dataclass(frozen=True)
class Knowledge:
    """What is known about points: rows together (m, 2), apart (k, 2), and colour (n,), -1 for none."""

    together: Ints
    apart: Ints
    colour: Ints

    @classmethod
    def nothing(cls, count: int) -> "Knowledge":
        """Of points that nobody said anything about."""
        return cls(np.empty((0, 2), np.int64), np.empty((0, 2), np.int64), np.full(count, -1))

    def bound(self, count: int) -> Ints:
        """The group of points said to be together that each point is in; most are alone."""
        return components(count, self.together[:, 0], self.together[:, 1])

    def of(self, rows: Ints, count: int) -> "Knowledge":
        """What is known about some points, ascending, among themselves."""
        place = np.full(count, -1)
        place[rows] = np.arange(len(rows))
        together, apart = place[self.together], place[self.apart]
        return Knowledge(together[(together >= 0).all(axis=1)], apart[(apart >= 0).all(axis=1)], self.colour[rows])


@dataclass(frozen=True)
class Arrangement:
    """Clusters of points.

    labels : int64, shape (n,)
    cut : the squared distance they were cut at
    merges : how they came about, where all was done anew
    """

    labels: Ints
    cut: float
    merges: Merges


def arrange(
    points: Floats,
    cut: Cut,
    knowledge: Knowledge | None = None,
    on_done: Callable[[int], None] | None = None,
    candidates: Candidates = candidate_graph,
) -> Arrangement:
    """All clusters anew: average linkage, then what is known to be together.

    In this order, because a mean of faces that do not look alike (a child and the adult) attracts neither's photos.

    Parameters
    ----------
    points : ndarray of float32, shape (n, d)
    cut : Cut
    knowledge : Knowledge or None
        Free of contradictions.
    on_done : callable or None
        Called with how many more points have their neighbours.
    candidates : callable
        Finds the pairs of points that may be together; another one of `facespace.clustering.ray` lets Ray find them.
    """
    count = len(points)
    knowledge = knowledge or Knowledge.nothing(count)
    graph = candidates(points, cut.threshold, on_done)
    merges = _linked(points, graph, cut.threshold, np.arange(count), knowledge.bound(count), knowledge)
    used = cut.of(merges, points)
    labels = _united(merges.cut(used), knowledge.together)
    return Arrangement(_alone_where_apart(points, labels, knowledge), used, merges)


def join(points: Floats, labels: Ints, cut: float, knowledge: Knowledge) -> Ints:
    """Let new points (label -1) join clusters, found their own, or bring two together; the rest is not done again.

    Parameters
    ----------
    points : ndarray of float32, shape (n, d)
    labels : int array, shape (n,)
    cut : float
    knowledge : Knowledge

    Returns
    -------
    ndarray of int64, shape (n,)
        Old points that were together still are, where they may be.
    """
    count = len(points)
    fresh = np.flatnonzero(labels < 0)
    before = labels.copy()
    before[fresh] = labels.max(initial=-1) + 1 + np.arange(len(fresh))
    ties = np.concatenate([_stars(before), knowledge.together])
    whole = components(count, *ties.T)
    start = pieces(points, before, cut, knowledge)
    merges = _linked(points, graph_of(points, fresh, cut), cut, start, whole, knowledge)
    return _alone_where_apart(points, _united(merges.cut(cut), ties), knowledge)


def loosened(points: Floats, labels: Ints, cut: float, knowledge: Knowledge) -> Ints:
    """The same labels, with -1 for all points of clusters that a new point (label -1) comes near.

    Placed again together with the new ones they end nearly where clustering anew would put them; left as they are, what
    was wrong with fewer photos stays wrong (benchmarks/cluster_incremental.py). Clusters that somebody said something
    about, but that two faces differ, stay whole.
    """
    graph = graph_of(points, np.flatnonzero(labels < 0), cut)
    said = np.concatenate([knowledge.together.ravel(), np.flatnonzero(knowledge.colour >= 0)])
    again = np.isin(labels, np.setdiff1d(labels[graph.b], labels[said])) & (labels >= 0)
    return labels if again.sum() > _LOOSENED else np.where(again, -1, labels)


def pieces(points: Floats, labels: Ints, cut: float, knowledge: Knowledge) -> Ints:
    """Clusters that somebody put together, as the parts that look alike; all others whole."""
    found = first_appearance(labels)
    following = int(found.max(initial=-1)) + 1
    for label in np.unique(found[knowledge.together]):
        rows = np.flatnonzero(found == label)
        parts = average_linkage(points[rows], candidate_graph(points[rows], cut), cut).cut(cut)
        found[rows[parts > 0]] = following + parts[parts > 0] - 1
        following += int(parts.max())
    return first_appearance(found)


def _linked(points: Floats, graph: Graph, cut: float, start: Ints, whole: Ints, knowledge: Knowledge) -> Merges:
    """Average linkage of pieces, where what is known of one piece of a whole holds for all of it."""
    colour = np.full(int(whole.max(initial=-1)) + 1, -1)
    known = knowledge.colour >= 0
    colour[whole[known]] = knowledge.colour[known]
    stated = [knowledge.apart]
    pairs = np.unique(np.stack([whole, start], axis=1), axis=0, return_index=True)
    owner, first = pairs[0][:, 0], pairs[1]
    several = np.bincount(owner, minlength=len(colour)) > 1
    a, b = whole[knowledge.apart].T
    for left, right in {(int(i), int(j)) for i, j in zip(a, b, strict=True) if several[i] or several[j]}:
        heads, tails = np.meshgrid(first[owner == left], first[owner == right])
        stated.append(np.stack([heads.ravel(), tails.ravel()], axis=1))
    return average_linkage(points, graph, cut, start=start, apart=np.concatenate(stated), colour=colour[whole])


def _united(labels: Ints, ties: Ints) -> Ints:
    return components(len(labels), *np.concatenate([_stars(labels), ties]).T)


def _alone_where_apart(points: Floats, labels: Ints, knowledge: Knowledge) -> Ints:
    """Uniting may bring together what is known to be apart: of such a pair one is then alone."""
    labels = _parted(points, labels, knowledge, np.zeros(len(points), bool))
    alone = labels < 0
    labels[alone] = labels.max(initial=-1) + 1 + knowledge.bound(len(points))[alone]
    return first_appearance(labels)


def settle(points: Floats, labels: Ints, knowledge: Knowledge, cut: float, loose: Ints) -> Ints:
    """Make clusters agree with what is known, moving as few points as can be.

    Points bound together go where most of them are. Of points of one cluster that are known to be apart, the one
    farther from the rest leaves, with what is bound to it, and joins what is near or stands alone.

    Parameters
    ----------
    labels : int array, shape (n,)
        Wanted clusters; -1 for points to be placed anew.
    loose : int array
        Rows that leave first where somebody must: faces of a gallery.
    """
    labels = labels.copy()
    _gather(labels, knowledge.bound(len(points)), knowledge.together)
    leaves_first = np.zeros(len(points), bool)
    leaves_first[loose] = True
    labels = _parted(points, labels, knowledge, leaves_first)
    return join(points, labels, cut, knowledge) if (labels < 0).any() else labels


def _parted(points: Floats, labels: Ints, knowledge: Knowledge, leaves_first: NDArray[np.bool_]) -> Ints:
    """The same labels, with -1 for points that cannot stay with others of their cluster."""
    labels, bound = labels.copy(), knowledge.bound(len(points))
    while len(conflicts := _conflicts(labels, bound, knowledge)):
        a, b = conflicts[0]
        rest = labels == labels[a]
        far_a, far_b = (_distance_to(points, row, rest & (bound != bound[row])) for row in (a, b))
        gone = a if (leaves_first[a], far_a) > (leaves_first[b], far_b) else b
        labels[rest & (bound == bound[gone])] = -1
    return labels


def part(points: Floats, knowledge: Knowledge) -> Ints:
    """The points of one cluster, parted only where knowledge keeps them apart: nearest together first."""
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
        start=knowledge.bound(len(points)),
        apart=knowledge.apart,
        colour=knowledge.colour,
    )
    return merges.cut(everything)


def carry(before: Ints, labels: Ints, following: int, kept: Ints | None = None) -> Ints:
    """Ids for clusters, as stable as can be: each old id goes where most of its points went.

    Parameters
    ----------
    before : int array, shape (n,)
        Ids so far; -1 for new points.
    labels : int array, shape (n,)
        Clusters now.
    following : int
        The first id that was never used; new clusters get it and those after it.
    kept : int array or None
        Ids that win over others however few their points are: those with names.
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
    """Pairs that hold each cluster together: every point with its cluster's first."""
    _, first, number = np.unique(labels, return_index=True, return_inverse=True)
    return np.stack([np.arange(len(labels)), first[number]], axis=1)


def _gather(labels: Ints, bound: Ints, together: Ints) -> None:
    """Points bound together that lie in several clusters go to the one most of them are in."""
    for group in np.unique(bound[together[:, 0]]):
        rows = np.flatnonzero(bound == group)
        placed = labels[rows][labels[rows] >= 0]
        if len(placed):
            values, counts = np.unique(placed, return_counts=True)
            labels[rows] = values[counts.argmax()]


def _conflicts(labels: Ints, bound: Ints, knowledge: Knowledge) -> Ints:
    """Pairs of one cluster that must be apart; pairs bound together by what was said are not among them."""
    a, b = knowledge.apart.T
    wrong = (labels[a] == labels[b]) & (labels[a] >= 0) & (bound[a] != bound[b])
    found = [knowledge.apart[wrong]]
    coloured = np.flatnonzero((knowledge.colour >= 0) & (labels >= 0))
    order = coloured[np.argsort(labels[coloured], kind="stable")]
    here, following = order[:-1], order[1:]
    clash = (labels[here] == labels[following]) & (knowledge.colour[here] != knowledge.colour[following])
    found.append(np.stack([here[clash], following[clash]], axis=1))
    return np.concatenate(found)


def _distance_to(points: Floats, row: int, others: NDArray[np.bool_]) -> float:
    return float(squared_distances(points[row][None], points[others]).mean()) if others.any() else np.inf
