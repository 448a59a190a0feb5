"""Are these two the same person? All pairs of a set of faces, thresholds never chosen on the people judged."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facespace.errors import DataError
from facespace.evaluate.intervals import ROUNDS, Interval, draws, interval, pair_weights
from facespace.evaluate.pairs import Pairs, all_pairs, identity_folds
from facespace.evaluate.roc import Roc, accuracy, best_threshold, roc, weighted_roc
from facespace.metric import as_embeddings, paired_squared_distances

FARS = (1e-1, 1e-2, 1e-3)


@dataclass(frozen=True)
class VerificationFigures:
    """Verification on all pairs.

    pairs, distances : each pair and its squared distance, float64 of shape (p,)
    roc : exact
    auc : with its interval
    accuracy : mean over folds of people; a fold's threshold is chosen on the other folds
    fold_accuracy : of each fold
    equal_error_rate : where FAR = 1 - VAL
    val : for each FAR that the pairs can show
    untold : for each other FAR, why not
    """

    pairs: Pairs
    distances: NDArray[np.float64]
    roc: Roc
    auc: Interval
    accuracy: Interval
    fold_accuracy: tuple[float, ...]
    equal_error_rate: float
    val: dict[float, Interval]
    untold: dict[float, str]

    @property
    def genuine(self) -> NDArray[np.float64]:
        """Squared distances of same-person pairs."""
        return self.distances[self.pairs.same]

    @property
    def impostor(self) -> NDArray[np.float64]:
        """Squared distances of different-person pairs."""
        return self.distances[~self.pairs.same]


def verification(
    embeddings: ArrayLike,
    people: ArrayLike,
    fars: tuple[float, ...] = FARS,
    folds: int = 5,
    seed: int = 0,
    rounds: int = ROUNDS,
) -> VerificationFigures:
    """Measure verification on all pairs of some faces.

    Accuracy is by folds of people: each fold's threshold is the best on pairs within the other folds, so
    nobody judged had a say in it; pairs across the border count on neither side. Intervals are by the
    bootstrap over identities; that of the accuracy keeps the folds' thresholds.

    Parameters
    ----------
    embeddings : array-like, shape (n, d), L2 norm 1
    people : int array-like, shape (n,)
    fars : false accept rates to state the VAL at
    folds : int
        Fewer are made where there are fewer than two people for each.
    seed, rounds : of folds and bootstrap

    Raises
    ------
    DataError
        Fewer than four people, or nobody has two photos.
    """
    points = as_embeddings(embeddings)
    names, labels = np.unique(np.asarray(people), return_inverse=True)
    pairs = all_pairs(labels)
    if len(names) < 4 or not pairs.same.any():
        raise DataError(
            f"verification needs at least four people, some with two photos; there are {len(names)} people "
            f"with {int(pairs.same.sum())} same-person pairs"
        )
    distances = paired_squared_distances(points[pairs.a], points[pairs.b]).astype(np.float64)
    curve = roc(distances[pairs.same], distances[~pairs.same])
    impostors = int((~pairs.same).sum())
    told = [far for far in fars if far * impostors >= 1 - 1e-9]

    judged = _by_folds(distances, labels, pairs, min(folds, len(names) // 2), seed)
    right = judged.accepted == pairs.same
    aucs, vals, accuracies = [], [], []
    for drawn in draws(len(names), rounds, seed):
        weights = pair_weights(drawn, labels, pairs)
        if not (weights[pairs.same].any() and weights[~pairs.same].any()):
            continue
        sample = weighted_roc(distances, pairs.same, weights)
        aucs.append(sample.auc)
        vals.append([sample.val_at(far) for far in told])
        accuracies.append(_balanced(right, pairs.same, weights * judged.within))
    return VerificationFigures(
        pairs=pairs,
        distances=distances,
        roc=curve,
        auc=interval(curve.auc, aucs),
        accuracy=interval(float(np.mean(judged.accuracies)), accuracies),
        fold_accuracy=judged.accuracies,
        equal_error_rate=curve.equal_error_rate,
        val={far: interval(curve.val_at(far), np.array(vals)[:, i]) for i, far in enumerate(told)},
        untold={
            far: f"needs {int(np.ceil(1 / far)):,} impostor pairs, there are {impostors:,}"
            for far in fars
            if far not in told
        },
    )


@dataclass(frozen=True)
class _Judged:
    """Each pair within a fold, judged by the threshold of the other folds."""

    within: NDArray[np.bool_]
    accepted: NDArray[np.bool_]
    accuracies: tuple[float, ...]


def _by_folds(
    distances: NDArray[np.float64], labels: NDArray[np.int64], pairs: Pairs, folds: int, seed: int
) -> _Judged:
    fold_of = np.empty(labels.max() + 1, np.int64)
    for number, identities in enumerate(identity_folds(labels, folds, seed)):
        fold_of[identities] = number
    first, second = fold_of[labels[pairs.a]], fold_of[labels[pairs.b]]
    accepted = np.zeros(len(distances), bool)
    accuracies = []
    for number in range(folds):
        tested = (first == number) & (second == number)
        others = (first != number) & (second != number)
        if not ((others & pairs.same).any() and (tested & pairs.same).any()):
            continue
        threshold = best_threshold(distances[others & pairs.same], distances[others & ~pairs.same])
        accepted[tested] = distances[tested] <= threshold
        accuracies.append(accuracy(distances[tested & pairs.same], distances[tested & ~pairs.same], threshold))
    return _Judged(first == second, accepted, tuple(accuracies))


def _balanced(right: NDArray[np.bool_], same: NDArray[np.bool_], weights: NDArray[np.int64]) -> float:
    """Share of right decisions, genuine and impostor pairs weighing the same in sum."""
    genuine, impostor = weights * same, weights * ~same
    if not (genuine.any() and impostor.any()):
        return float("nan")
    return float((genuine @ right / genuine.sum() + impostor @ right / impostor.sum()) / 2)
