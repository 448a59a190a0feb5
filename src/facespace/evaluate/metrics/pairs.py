"""Which pairs of faces are compared, how far apart they are, and how people are split: no one on both sides."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facespace.errors import DataError
from facespace.metric import as_embeddings, as_points, paired_squared_distances

# All pairs of 3,000 faces; of more faces the impostor pairs are a sample.
MOST_PAIRS = 5_000_000

# Pairs whose embeddings are gathered at a time: a few tens of megabytes.
_BLOCK = 1 << 16


@dataclass(frozen=True)
class Pairs:
    """Pairs of faces.

    a, b : int64, shape (p,), indices of faces
    same : bool, shape (p,), whether they are of one person
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
    """Pairs as far as figures are concerned: how far apart, and whose they are.

    distances : float64, shape (p,), squared; infinite where a face could not be had, so that no threshold accepts it
    same : bool, shape (p,)
    first, second : int64, shape (p,), the person of each side, 0..people - 1
    people : how many there are
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
    """All unordered pairs of faces, a < b.

    Parameters
    ----------
    people : int array-like, shape (n,)
        Who each face is.
    """
    labels = np.asarray(people)
    a, b = np.triu_indices(len(labels), k=1)
    return Pairs(a.astype(np.int64), b.astype(np.int64), labels[a] == labels[b])


def sampled_pairs(people: ArrayLike, most: int = MOST_PAIRS, seed: int = 0) -> Pairs:
    """All pairs where there are at most `most`; else all genuine pairs and a seeded sample of impostor pairs.

    Parameters
    ----------
    people : int array-like, shape (n,)
    most : int
        Pairs in all, as far as the genuine ones leave room: at least as many impostor pairs as genuine ones are drawn.
    seed : int

    Returns
    -------
    Pairs
        No pair twice.
    """
    labels = np.asarray(people)
    n = len(labels)
    if n * (n - 1) // 2 <= most:
        return all_pairs(labels)
    a, b = _genuine_pairs(labels)
    possible = n * (n - 1) // 2 - len(a)
    wanted = min(max(most - len(a), len(a)), possible)
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
    """How far apart the faces of each pair are.

    Parameters
    ----------
    embeddings : array-like, shape (n, d), L2 norm 1
    people : int array-like, shape (n,)
        Any numbers; they are renumbered from 0.
    pairs : Pairs
    present : bool array-like, shape (n,), or None
        Which faces could be had; the pairs of others are infinitely far apart. All of them where None.

    Raises
    ------
    EmbeddingError
        An embedding that is present is not finite, or not of L2 norm 1; the message names the row.
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
    """Split people, not photos: nobody is in two folds.

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
        Fewer than two people for each fold: a fold of one person has no impostor pairs.
    """
    identities = np.unique(np.asarray(people))
    if folds < 2 or len(identities) < 2 * folds:
        raise DataError(
            f"{len(identities)} people cannot be split into {folds} folds with two or more in each; add people"
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
