"""Which pairs of faces are compared, and how people are split so that no one is on both sides."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facespace.errors import DataError


@dataclass(frozen=True)
class Pairs:
    """Pairs of faces.

    a, b : int64, shape (p,), indices of faces, a < b
    same : bool, shape (p,), whether they are of one person
    """

    a: NDArray[np.int64]
    b: NDArray[np.int64]
    same: NDArray[np.bool_]


def all_pairs(people: ArrayLike) -> Pairs:
    """All unordered pairs of faces.

    Parameters
    ----------
    people : int array-like, shape (n,)
        Who each face is.
    """
    labels = np.asarray(people)
    a, b = np.triu_indices(len(labels), k=1)
    return Pairs(a.astype(np.int64), b.astype(np.int64), labels[a] == labels[b])


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
