"""Pairs of faces, their distances, and splits of people into disjoint folds."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facespace.errors import DataError
from facespace.metric import as_embeddings, as_points, paired_squared_distances

# About all pairs of 3,000 faces; with more faces, impostor pairs are sampled.
MAX_PAIRS = 5_000_000

# Pairs processed at a time, to limit memory to a few tens of megabytes.
_BLOCK = 1 << 16


@dataclass(frozen=True)
class Pairs:
    """Pairs of faces.

    a, b : int64, shape (p,), indices of faces
    same : bool, shape (p,), whether both show the same person
    """

    a: NDArray[np.int64]
    b: NDArray[np.int64]
    same: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.same)

    def __getitem__(self, chosen: NDArray[np.int64] | NDArray[np.bool_]) -> "Pairs":
        return Pairs(self.a[chosen], self.b[chosen], self.same[chosen])


@dataclass(frozen=True)
class ScoredPairs:
    """The distances and people of pairs.

    distances : float64, shape (p,), squared; infinite if a face is missing, so that no threshold accepts the pair
    same : bool, shape (p,)
    first, second : int64, shape (p,), the person of each face, 0..people - 1
    people : number of people
    """

    distances: NDArray[np.float64]
    same: NDArray[np.bool_]
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    people: int

    def __len__(self) -> int:
        return len(self.same)

    def __getitem__(self, chosen: NDArray[np.int64] | NDArray[np.bool_]) -> "ScoredPairs":
        return ScoredPairs(
            self.distances[chosen], self.same[chosen], self.first[chosen], self.second[chosen], self.people
        )

    @property
    def genuine(self) -> NDArray[np.float64]:
        """Squared distances of same-person pairs."""
        return self.distances[self.same]

    @property
    def impostor(self) -> NDArray[np.float64]:
        """Squared distances of different-person pairs."""
        return self.distances[~self.same]


def all_pairs(people: ArrayLike) -> Pairs:
    """Return all unordered pairs of faces, a < b.

    Parameters
    ----------
    people : int array-like, shape (n,)
        The person of each face.
    """
    labels = np.asarray(people)
    a, b = np.triu_indices(len(labels), k=1)
    return Pairs(a.astype(np.int64), b.astype(np.int64), labels[a] == labels[b])


def sampled_pairs(people: ArrayLike, limit: int = MAX_PAIRS, seed: int = 0) -> Pairs:
    """Return all pairs if there are at most `limit`; else all genuine pairs and a random sample of impostor pairs.

    Parameters
    ----------
    people : int array-like, shape (n,)
    limit : int
        Limit on the number of pairs. It may be exceeded, since there are at least as many impostor as genuine pairs.
    seed : int

    Returns
    -------
    Pairs
        Without duplicates.
    """
    labels = np.asarray(people)
    n = len(labels)
    if n * (n - 1) // 2 <= limit:
        return all_pairs(labels)
    a, b = _genuine_pairs(labels)
    possible = n * (n - 1) // 2 - len(a)
    wanted = min(max(limit - len(a), len(a)), possible)
    rng = np.random.default_rng(seed)
    drawn = np.empty(0, np.int64)
    while len(drawn) < wanted:
        i, j = rng.integers(n, size=(2, 2 * wanted))
        keep = labels[i] != labels[j]
        codes = np.minimum(i, j)[keep] * n + np.maximum(i, j)[keep]
        drawn = np.unique(np.concatenate([drawn, codes]))
    drawn = np.sort(rng.choice(drawn, wanted, replace=False))
    same = np.arange(len(a) + wanted) < len(a)
    return Pairs(np.concatenate([a, drawn // n]), np.concatenate([b, drawn % n]), same)


def score(embeddings: ArrayLike, people: ArrayLike, pairs: Pairs, present: ArrayLike | None = None) -> ScoredPairs:
    """Compute the distance of each pair.

    Parameters
    ----------
    embeddings : array-like, shape (n, d), L2 norm 1
    people : int array-like, shape (n,)
        Any numbers; they are renumbered from 0.
    pairs : Pairs
    present : bool array-like, shape (n,), or None
        Mask of the available faces; pairs with other faces get an infinite distance. None for all.

    Raises
    ------
    EmbeddingError
        An available embedding is not finite, or does not have L2 norm 1; the message gives the row.
    """
    points = as_embeddings(embeddings)
    as_points(points if present is None else points[np.asarray(present, bool)])
    names, labels = np.unique(np.asarray(people), return_inverse=True)
    distances = np.empty(len(pairs), np.float64)
    for start in range(0, len(pairs), _BLOCK):
        block = slice(start, start + _BLOCK)
        distances[block] = paired_squared_distances(points[pairs.a[block]], points[pairs.b[block]])
    if present is not None:
        had = np.asarray(present, bool)
        distances[~(had[pairs.a] & had[pairs.b])] = np.inf
    return ScoredPairs(distances, pairs.same, labels[pairs.a], labels[pairs.b], len(names))


def identity_folds(people: ArrayLike, folds: int, seed: int) -> list[NDArray[np.int64]]:
    """Split people into folds, so that no person is in two folds.

    Parameters
    ----------
    people : int array-like, shape (n,)
    folds : int
        At least 2.
    seed : int

    Returns
    -------
    list of arrays
        The identities of each fold; sizes differ by at most one.

    Raises
    ------
    DataError
        There are fewer than two people per fold; a fold of one person has no impostor pairs.
    """
    identities = np.unique(np.asarray(people))
    if folds < 2 or len(identities) < 2 * folds:
        raise DataError(
            f"{len(identities)} people cannot be split into {folds} folds of two or more people; add people"
        )
    return [np.sort(fold) for fold in np.array_split(np.random.default_rng(seed).permutation(identities), folds)]


def _genuine_pairs(labels: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    order = np.argsort(labels, kind="stable")
    starts = np.flatnonzero(np.diff(labels[order], prepend=labels[order[:1]] - 1))
    sides = []
    for members in np.split(order, starts[1:]):
        i, j = np.triu_indices(len(members), k=1)
        sides.append((members[i], members[j]))
    return np.concatenate([a for a, _ in sides]), np.concatenate([b for _, b in sides])
