"""Agglomerative clustering on a graph of candidate pairs, in rounds of whole-array operations.

Average linkage of squared Euclidean distances does not need the pairs of members: it is the sum of both groups' mean
squared norms minus twice the product of their means. So a group is a sum of points and a size, and the linkage between
any two groups is exact, however few of their pairs the graph holds. The graph only says which groups may merge.

Two facts make the result exact if the graph holds every pair up to the cut. A mean is at least the minimum of what it
averages, so groups that may merge have such a pair. And a merged group is never nearer to a third than the nearer of
its two parts was (the linkage is reducible), so all pairs of mutual nearest neighbours can merge at once with the same
result as merging the nearest pair of all, one at a time; and a pair of groups above the cut can be dropped. 'Never
together' is an infinite distance, which preserves both facts.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facespace.clustering.graph import Graph

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]

_NO_COLOUR = -1

# Linkages that differ by less than this fraction of the points' mean squared norm are equal: it covers rounding in
# float32.
_EQUAL = 2.0**-20


# Pairs are dense if the number of possible pairs of their groups is at most this many times their number.
_CROWDED = 16

# Cells of a matrix computed at a time.
_BLOCK_CELLS = 1 << 22


@dataclass(frozen=True)
class Merges:
    """The merges of a clustering: a forest that can be cut at any height up to the one it was grown to.

    count : number of points
    left, right : int64, shape (m,), a point in each of the two groups
    height : float32, shape (m,), the linkage at which they merged
    start : int64, shape (count,), the initial groups
    """

    count: int
    left: Ints
    right: Ints
    height: Floats
    start: Ints

    def cut(self, threshold: float) -> Ints:
        """Group of each point at a threshold, int64, shape (count,), numbered from 0 by first appearance."""
        kept = self.height <= threshold
        first = np.zeros(self.start.max(initial=-1) + 1, np.int64)
        first[self.start[::-1]] = np.arange(self.count)[::-1]
        return components(
            self.count,
            np.concatenate([np.arange(self.count), self.left[kept]]),
            np.concatenate([first[self.start], self.right[kept]]),
        )


class Groups:
    """Groups of points during merging: sums, sizes, and which must not merge. A group is identified by one index."""

    def __init__(self, points: Floats, start: Ints, apart: Ints, colour: Ints | None):
        count = int(start.max(initial=-1)) + 1
        self.sizes = np.bincount(start, minlength=count).astype(np.float32)
        self.sums = _sum_by(points, start, count)
        self.norms = np.bincount(start, np.einsum("nd,nd->n", points, points), count).astype(np.float32) / np.maximum(
            self.sizes, 1
        )
        self.colour = np.full(count, _NO_COLOUR, np.int64)
        if colour is not None:
            known = colour != _NO_COLOUR
            self.colour[start[known]] = colour[known]
        self._apart = np.unique(_keys(start[apart[:, 0]], start[apart[:, 1]], count))

    def linkage(self, a: Ints, b: Ints) -> Floats:
        """Mean squared distance between the members of each pair of groups; `a` ascending."""
        products = np.empty(len(a), np.float32)
        among = _Among(a, b, len(self.sizes))
        if among.crowded:
            # One matrix product is faster than gathering two sums for each of that many pairs.
            means = self.sums[among.groups] / self.sizes[among.groups, None]
            step = max(1, _BLOCK_CELLS // max(1, len(means)))
            for first in range(0, len(means), step):
                block = means[first : first + step] @ means.T
                here = slice(*np.searchsorted(among.a, [first, first + step]))
                products[here] = block[among.a[here] - first, among.b[here]]
        else:
            for at in range(0, len(a), 1 << 16):
                i, j = a[at : at + (1 << 16)], b[at : at + (1 << 16)]
                sums = np.einsum("nd,nd->n", self.sums[i], self.sums[j])
                products[at : at + len(i)] = sums / (self.sizes[i] * self.sizes[j])
        return np.maximum(self.norms[a] + self.norms[b] - 2 * products, 0)

    def allowed(self, a: Ints, b: Ints) -> NDArray[np.bool_]:
        """Whether each pair of groups may merge."""
        seen = (self.colour[a] == _NO_COLOUR) | (self.colour[b] == _NO_COLOUR) | (self.colour[a] == self.colour[b])
        if len(self._apart):
            keys = _keys(a, b, len(self.sizes))
            at = np.minimum(np.searchsorted(self._apart, keys), len(self._apart) - 1)
            seen &= self._apart[at] != keys
        return seen

    def candidates(self, a: Ints, b: Ints, threshold: float) -> tuple[Ints, Ints, Floats]:
        """Pairs of groups, without duplicates, that may merge and are near enough; with their linkages."""
        a, b = _Among(np.minimum(a, b), np.maximum(a, b), len(self.sizes)).distinct()
        may = (a != b) & self.allowed(a, b)
        a, b = a[may], b[may]
        value = self.linkage(a, b)
        near = value <= threshold
        return a[near], b[near], value[near]

    def forget_apart(self, component: Ints) -> None:
        """Drop constraints between groups that cannot meet any more."""
        i, j = np.divmod(self._apart, len(self.sizes))
        self._apart = self._apart[component[i] == component[j]]

    def merge(self, into: Ints, gone: Ints, renamed: Ints) -> None:
        """Merge each group of `gone` into the same row of `into`; `renamed` maps every group."""
        total = self.sizes[into] + self.sizes[gone]
        self.norms[into] = (self.norms[into] * self.sizes[into] + self.norms[gone] * self.sizes[gone]) / total
        self.sums[into] += self.sums[gone]
        self.sizes[into] = total
        self.colour[into] = np.maximum(self.colour[into], self.colour[gone])
        if len(self._apart):
            i, j = np.divmod(self._apart, len(self.sizes))
            self._apart = np.unique(_keys(renamed[i], renamed[j], len(self.sizes)))


class _Among:
    """Pairs of groups, renumbered by the groups that occur in them.

    Parameters
    ----------
    a, b : int64, shape (m,)
    total : number of all groups
    """

    def __init__(self, a: Ints, b: Ints, total: int):
        taken = np.zeros(total, bool)
        taken[a] = True
        taken[b] = True
        self.groups = np.flatnonzero(taken)
        place = np.cumsum(taken) - 1
        self.a, self.b = place[a], place[b]

    @property
    def crowded(self) -> bool:
        """Whether the pairs are a large part of all possible pairs of these groups."""
        return len(self.groups) ** 2 <= _CROWDED * len(self.a)

    def distinct(self) -> tuple[Ints, Ints]:
        """The pairs without duplicates, ascending."""
        count = len(self.groups)
        keys = self.a * count + self.b
        if self.crowded:
            seen = np.zeros(count * count, bool)
            seen[keys] = True
            keys = np.flatnonzero(seen)
        else:
            # np.unique hashes since NumPy 2.3, which takes many times as long as sorting.
            keys.sort()
            keys = keys[np.concatenate([[True], keys[1:] != keys[:-1]])] if len(keys) else keys
        a, b = np.divmod(keys, max(1, count))
        return self.groups[a], self.groups[b]


def average_linkage(
    points: Floats,
    graph: Graph,
    threshold: float,
    *,
    start: Ints | None = None,
    apart: Ints | None = None,
    colour: Ints | None = None,
) -> Merges:
    """Merge the nearest groups that the graph connects, until none are within the threshold.

    Parameters
    ----------
    points : ndarray of float32, shape (n, d)
    graph : Graph
        Pairs of points whose groups may merge.
    threshold : float
        Groups within this mean squared distance are merged.
    start : int array, shape (n,), or None
        Initial groups, numbered from 0 without gaps; None starts with single points.
    apart : int array, shape (m, 2), or None
        Points that must stay apart. A pair that starts in one group is ignored.
    colour : int array, shape (n,), or None
        Points of different colours must stay apart; -1 is no colour.

    Returns
    -------
    Merges

    References
    ----------
    Sumengen et al., Scaling hierarchical agglomerative clustering to billion-sized datasets, 2021 (rounds of
    reciprocal nearest neighbours).
    """
    count = len(points)
    start = np.arange(count) if start is None else start
    groups = Groups(points, start, np.empty((0, 2), np.int64) if apart is None else apart, colour)
    total = len(groups.sizes)
    point_of = np.zeros(total, np.int64)
    point_of[start[::-1]] = np.arange(count)[::-1]
    near = graph.distance <= threshold
    a, b, value = groups.candidates(start[graph.a[near]], start[graph.b[near]], threshold)
    groups.forget_apart(components(total, a, b))
    grain = max(_EQUAL * float(groups.norms.mean()) if total else 0.0, float(np.finfo(np.float32).tiny))
    renamed = np.arange(total)
    merges: list[tuple[Ints, Ints, Floats]] = []
    while len(a):
        into, gone, height = _reciprocal(a, b, value, total, grain)
        merges.append((point_of[into], point_of[gone], height))
        renamed[gone] = into
        groups.merge(into, gone, renamed)
        a, b, value = _contract(groups, a, b, value, renamed, into, threshold)
    left, right, heights = (np.concatenate(part) for part in zip(*merges, strict=True)) if merges else _none()
    return Merges(count, left, right, heights, start)


def _reciprocal(a: Ints, b: Ints, value: Floats, total: int, grain: float) -> tuple[Ints, Ints, Floats]:
    """Pairs of groups that are mutual nearest neighbours; values within `grain` are ties.

    Ties are broken at random, by a hash. If the first pair won, all of many copies of a photo would have the first copy
    as their nearest, and only one pair would merge per round; at random, about a quarter of them finds a partner.
    """
    key = np.rint(value / grain).astype(np.uint64) << np.uint64(32) | _lots(len(a))
    best = np.full(total, np.iinfo(np.uint64).max)
    np.minimum.at(best, a, key)
    np.minimum.at(best, b, key)
    mutual = (best[a] == key) & (best[b] == key)
    return a[mutual], b[mutual], value[mutual]


def _lots(count: int) -> NDArray[np.uint64]:
    """Distinct numbers below 2^32 in random order: 0, 1, 2 ... through the last mixing steps of MurmurHash3."""
    lot = np.arange(count, dtype=np.uint32)
    lot ^= lot >> np.uint32(16)
    lot *= np.uint32(0x85EB_CA6B)
    lot ^= lot >> np.uint32(13)
    lot *= np.uint32(0xC2B2_AE35)
    lot ^= lot >> np.uint32(16)
    return lot.astype(np.uint64)


def _contract(
    groups: Groups, a: Ints, b: Ints, value: Floats, renamed: Ints, grown: Ints, threshold: float
) -> tuple[Ints, Ints, Floats]:
    """Update candidate pairs after merges: renamed, without duplicates, with new linkages of the merged groups."""
    fresh = np.zeros(len(groups.sizes), bool)
    fresh[grown] = True
    a, b = renamed[a], renamed[b]
    touched = fresh[a] | fresh[b]
    new_a, new_b, new_value = groups.candidates(a[touched], b[touched], threshold)
    old = ~touched
    return np.concatenate([a[old], new_a]), np.concatenate([b[old], new_b]), np.concatenate([value[old], new_value])


def components(count: int, a: Ints, b: Ints) -> Ints:
    """Connected component of each of `count` nodes, numbered from 0 by first appearance.

    Every node takes the minimum label of its neighbours, and labels follow their own labels, until nothing changes:
    about log n rounds of whole-array operations.
    """
    label = np.arange(count)
    while len(a):
        low = np.minimum(label[a], label[b])
        np.minimum.at(label, label[a], low)
        np.minimum.at(label, label[b], low)
        while not np.array_equal(label, further := label[label]):
            label = further
        differ = label[a] != label[b]
        a, b = a[differ], b[differ]
    return first_appearance(label)


def first_appearance(labels: Ints) -> Ints:
    """Renumber groups from 0 in the order of their first members."""
    _, first, number = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first, kind="stable"), kind="stable")[number]


def _keys(a: Ints, b: Ints, count: int) -> Ints:
    """One number for each unordered pair of groups."""
    return np.minimum(a, b) * count + np.maximum(a, b)


def _sum_by(points: Floats, label: Ints, count: int) -> Floats:
    if count == len(points) and np.array_equal(label, np.arange(count)):
        # Every point alone: sorting them would take another copy of all.
        return points.astype(np.float32)
    order = np.argsort(label, kind="stable")
    starts = np.searchsorted(label[order], np.arange(count))
    return np.add.reduceat(points[order], starts, axis=0) if len(points) else np.empty((0, points.shape[1]), np.float32)


def _none() -> tuple[Ints, Ints, Floats]:
    return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32)
