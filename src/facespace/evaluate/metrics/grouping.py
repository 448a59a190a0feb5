"""How well found groups match people: BCubed and pairwise precision, recall and F, mutual information."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facespace.evaluate.metrics.intervals import Interval, over_identities


@dataclass(frozen=True)
class GroupingFigures:
    """Clustering against the truth.

    bcubed_precision : for a face, the share of its group that is the same person; mean over faces
    bcubed_recall : the share of that person's faces that are in its group; mean over faces
    bcubed_f : their harmonic mean, with its interval over identities
    pairwise_precision : of the pairs of faces put together, the share that is of one person; 1 where there are none
    pairwise_recall : of the pairs of one person, the share that is put together; 1 where there are none
    pairwise_f : their harmonic mean
    nmi : normalised mutual information, by the arithmetic mean of both entropies
    people, groups : how many there are, and how many were found
    """

    bcubed_precision: float
    bcubed_recall: float
    bcubed_f: Interval
    pairwise_precision: float
    pairwise_recall: float
    pairwise_f: float
    nmi: float
    people: int
    groups: int


def grouping(truth: ArrayLike, found: ArrayLike) -> GroupingFigures:
    """Compare found groups with people, from their contingency table: never from pairs of faces.

    Parameters
    ----------
    truth, found : int array-like, shape (n,)

    References
    ----------
    Amigo, Gonzalo, Artiles, Verdejo, A comparison of extrinsic clustering evaluation metrics, 2009.
    """
    precision, recall = _bcubed_of_faces(truth, found)

    def f_of(counts: NDArray[np.int64]) -> float:
        return _harmonic(float(counts @ precision), float(counts @ recall)) / float(counts.sum())

    ones = np.ones(len(precision), np.int64)
    sizes, people, groups = _contingency(truth, found)
    together, same, grouped = _pairs_within(sizes), _pairs_within(people), _pairs_within(groups)
    return GroupingFigures(
        bcubed_precision=float(precision.mean()),
        bcubed_recall=float(recall.mean()),
        bcubed_f=over_identities(f_of(ones), truth, f_of),
        pairwise_precision=together / grouped if grouped else 1.0,
        pairwise_recall=together / same if same else 1.0,
        pairwise_f=_pair_f(together, same, grouped),
        nmi=_nmi(sizes, people, groups),
        people=len(people),
        groups=len(groups),
    )


def bcubed_f(truth: ArrayLike, found: ArrayLike) -> float:
    """BCubed F alone."""
    precision, recall = _bcubed_of_faces(truth, found)
    return _harmonic(float(precision.mean()), float(recall.mean()))


def _bcubed_of_faces(truth: ArrayLike, found: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """BCubed precision and recall of each face."""
    _, person = np.unique(np.asarray(truth), return_inverse=True)
    _, group = np.unique(np.asarray(found), return_inverse=True)
    cell = person * (group.max() + 1) + group
    _, where, shared = np.unique(cell, return_inverse=True, return_counts=True)
    both = shared[where]
    return both / np.bincount(group)[group], both / np.bincount(person)[person]


def _contingency(truth: ArrayLike, found: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Sizes of the non-empty cells, of the people, and of the groups."""
    _, person, people = np.unique(np.asarray(truth), return_inverse=True, return_counts=True)
    _, group, groups = np.unique(np.asarray(found), return_inverse=True, return_counts=True)
    return np.unique(person * len(groups) + group, return_counts=True)[1], people, groups


def _pairs_within(sizes: NDArray[np.int64]) -> int:
    return int((sizes * (sizes - 1) // 2).sum())


def _pair_f(together: int, same: int, grouped: int) -> float:
    """F of putting pairs together: 2 TP / (true pairs + found pairs); 1 where there is nothing to find."""
    return 2 * together / (same + grouped) if same + grouped else 1.0


def _nmi(sizes: NDArray[np.int64], people: NDArray[np.int64], groups: NDArray[np.int64]) -> float:
    """Mutual information over the mean entropy; 1 where both have one group only, as scikit-learn has it."""
    joint, truth, found = (_entropy(counts) for counts in (sizes, people, groups))
    mean = (truth + found) / 2
    return float(max(0.0, truth + found - joint) / mean) if mean > 1e-12 else 1.0


def _entropy(counts: NDArray[np.int64]) -> float:
    shares = counts / counts.sum()
    return float(-(shares * np.log(shares)).sum())


def _harmonic(a: float, b: float) -> float:
    return 2 * a * b / (a + b) if a + b else 0.0
