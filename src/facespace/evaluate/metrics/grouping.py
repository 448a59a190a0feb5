"""Clustering metrics: BCubed and pairwise precision, recall and F, normalised mutual information."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facespace.evaluate.metrics.intervals import Interval, over_identities


@dataclass(frozen=True)
class GroupingFigures:
    """A clustering compared with the true people.

    bcubed_precision : share of a face's cluster that shows the same person; mean over faces
    bcubed_recall : share of a person's faces that are in the face's cluster; mean over faces
    bcubed_f : harmonic mean of both, with an interval over identities
    pairwise_precision : share of the pairs within clusters that show one person; 1 if there are no pairs
    pairwise_recall : share of the same-person pairs that are within a cluster; 1 if there are no pairs
    pairwise_f : harmonic mean of both
    nmi : normalised mutual information, normalised by the arithmetic mean of both entropies
    people, groups : number of people, number of clusters
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
    """Compare clusters with people, using their contingency table (no pairs of faces are enumerated).

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
    """Compute BCubed F without an interval."""
    precision, recall = _bcubed_of_faces(truth, found)
    return _harmonic(float(precision.mean()), float(recall.mean()))


def _bcubed_of_faces(truth: ArrayLike, found: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compute BCubed precision and recall of each face."""
    _, person = np.unique(np.asarray(truth), return_inverse=True)
    _, group = np.unique(np.asarray(found), return_inverse=True)
    cell = person * (group.max() + 1) + group
    _, where, shared = np.unique(cell, return_inverse=True, return_counts=True)
    both = shared[where]
    return both / np.bincount(group)[group], both / np.bincount(person)[person]


def _contingency(truth: ArrayLike, found: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the sizes of the non-empty cells, of the people, and of the clusters."""
    _, person, people = np.unique(np.asarray(truth), return_inverse=True, return_counts=True)
    _, group, groups = np.unique(np.asarray(found), return_inverse=True, return_counts=True)
    return np.unique(person * len(groups) + group, return_counts=True)[1], people, groups


def _pairs_within(sizes: NDArray[np.int64]) -> int:
    return int((sizes * (sizes - 1) // 2).sum())


def _pair_f(together: int, same: int, grouped: int) -> float:
    """Compute pairwise F: 2 TP / (true pairs + found pairs); 1 if there are no pairs."""
    return 2 * together / (same + grouped) if same + grouped else 1.0


def _nmi(sizes: NDArray[np.int64], people: NDArray[np.int64], groups: NDArray[np.int64]) -> float:
    """Compute mutual information over mean entropy; 1 if both have a single group, as in scikit-learn."""
    joint, truth, found = (_entropy(counts) for counts in (sizes, people, groups))
    mean = (truth + found) / 2
    return float(max(0.0, truth + found - joint) / mean) if mean > 1e-12 else 1.0


def _entropy(counts: NDArray[np.int64]) -> float:
    shares = counts / counts.sum()
    return float(-(shares * np.log(shares)).sum())


def _harmonic(a: float, b: float) -> float:
    return 2 * a * b / (a + b) if a + b else 0.0
