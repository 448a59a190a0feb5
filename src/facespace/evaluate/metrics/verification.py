"""Verification metrics. Thresholds are never chosen on the people they are tested on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facespace.errors import DataError
from facespace.evaluate.metrics.intervals import ROUNDS, Interval, draws, interval
from facespace.evaluate.metrics.pairs import Pairs, ScoredPairs, identity_folds, sampled_pairs, score
from facespace.evaluate.metrics.rates import PersonCounts
from facespace.evaluate.metrics.resample import resample_roc
from facespace.evaluate.metrics.roc import Roc, accuracy, most_accurate, weighted_roc

FARS = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)


@dataclass(frozen=True)
class VerificationFigures:
    """Verification metrics on pairs.

    pairs : the tested pairs, nearest first
    scored : the same pairs with their squared distances
    roc : the exact curve
    auc, equal_error_rate : with intervals
    accuracy : mean over folds; a fold's threshold is the best one on the other folds
    accuracy_se : standard error of the accuracy as defined by LFW, the standard deviation over folds divided by the
        square root of their number; NaN with a single fold
    fold_accuracy, fold_threshold : of each tested fold
    folds : the numbers of those folds
    not_judged : folds without an accuracy, because a kind of pairs is missing inside or outside the fold
    val : VAL at each FAR that is measurable with these pairs
    unmeasured : for each other FAR, the reason
    samples : the metrics of each bootstrap round by name, for comparisons with another model
    """

    pairs: Pairs
    scored: ScoredPairs
    roc: Roc
    auc: Interval
    accuracy: Interval
    accuracy_se: float
    fold_accuracy: tuple[float, ...]
    fold_threshold: tuple[float, ...]
    equal_error_rate: Interval
    val: dict[float, Interval]
    unmeasured: dict[float, str]
    samples: dict[str, NDArray[np.float64]]
    folds: tuple[int, ...] = ()
    not_judged: tuple[int, ...] = ()

    @property
    def distances(self) -> NDArray[np.float64]:
        """Squared distances, ascending."""
        return self.scored.distances

    @property
    def genuine(self) -> NDArray[np.float64]:
        """Squared distances of same-person pairs."""
        return self.scored.genuine

    @property
    def impostor(self) -> NDArray[np.float64]:
        """Squared distances of different-person pairs."""
        return self.scored.impostor


def verification(
    embeddings: ArrayLike,
    people: ArrayLike,
    fars: tuple[float, ...] = FARS,
    folds: int = 5,
    seed: int = 0,
    rounds: int = ROUNDS,
) -> VerificationFigures:
    """Compute verification metrics on all pairs of faces (for many faces, on a sample of the impostor pairs).

    Accuracy is measured by cross-validation over folds of people: each fold's threshold is the best one on pairs within
    the other folds, and pairs between the fold and the others are not used. Intervals are by the bootstrap over
    identities; for the accuracy, the thresholds of the folds are fixed.

    Parameters
    ----------
    embeddings : array-like, shape (n, d), L2 norm 1
    people : int array-like, shape (n,)
    fars : tuple of float
        False accept rates at which to report VAL.
    folds : int
        Number of folds; fewer if there are fewer than two people for each.
    seed, rounds : int
        Random seed of folds and bootstrap, and number of bootstrap rounds.

    Raises
    ------
    DataError
        There are fewer than four people, or no person has two photos.
    """
    names, labels = np.unique(np.asarray(people), return_inverse=True)
    pairs = sampled_pairs(labels, seed=seed)
    if len(names) < 4 or not pairs.same.any():
        raise DataError(
            f"verification needs at least four people, some with two photos, but there are {len(names)} people "
            f"with {int(pairs.same.sum())} same-person pairs"
        )
    scored = score(embeddings, labels, pairs)
    fold_of = np.empty(len(names), np.int64)
    number = min(folds, len(names) // 2)
    for fold, identities in enumerate(identity_folds(labels, number, seed)):
        fold_of[identities] = fold
    return judge(
        scored, pairs, (fold_of[scored.first], fold_of[scored.second]), range(number), fars, seed=seed, rounds=rounds
    )


def judge(
    scored: ScoredPairs,
    pairs: Pairs,
    folds: tuple[NDArray[np.int64], NDArray[np.int64]],
    tested: Sequence[int],
    fars: tuple[float, ...] = FARS,
    seed: int = 0,
    rounds: int = ROUNDS,
) -> VerificationFigures:
    """Compute verification metrics of scored pairs.

    Parameters
    ----------
    scored, pairs : ScoredPairs, Pairs
        The same pairs, with and without distances.
    folds : two int64 arrays, shape (p,)
        The fold of the person of each face. A pair is tested in the fold that both share.
    tested : sequence of int
        Folds to test; the threshold of each is the best one on pairs with no face in it.
    fars : tuple of float
        False accept rates at which to report VAL.
    seed, rounds : int
        Random seed and number of rounds of the bootstrap.

    Raises
    ------
    DataError
        There are no genuine or no impostor pairs, or no fold can be tested.
    """
    order = np.argsort(scored.distances, kind="stable")
    scored, pairs, folds = scored[order], pairs[order], (folds[0][order], folds[1][order])
    judged = _by_folds(scored, folds, tested)
    # Pairs of untested folds are only used to choose thresholds.
    counted = np.isin(folds[0], np.asarray(tested)) & np.isin(folds[1], np.asarray(tested))
    scored, pairs, judged = scored[counted], pairs[counted], judged.of(counted)
    genuine, impostors = int(scored.same.sum()), int((~scored.same).sum())
    if not genuine or not impostors:
        raise DataError(
            f"verification needs same-person and different-person pairs; there are {genuine} and {impostors}"
        )
    curve = weighted_roc(scored.distances, scored.same)
    measurable = tuple(far for far in fars if far * impostors >= 1 - 1e-9)
    found = resample_roc(scored, measurable, rounds, seed)
    samples = {
        "accuracy": _resample_accuracy(scored, judged, rounds, seed),
        "auc": found.auc,
        "equal_error_rate": found.equal_error_rate,
        **{val_name(far): found.val[:, i] for i, far in enumerate(measurable)},
    }
    count = len(judged.accuracies)
    return VerificationFigures(
        pairs=pairs,
        scored=scored,
        roc=curve,
        auc=interval(curve.auc, samples["auc"]),
        accuracy=interval(float(np.mean(judged.accuracies)), samples["accuracy"]),
        accuracy_se=float(np.std(judged.accuracies, ddof=1) / np.sqrt(count)) if count > 1 else float("nan"),
        fold_accuracy=judged.accuracies,
        fold_threshold=judged.thresholds,
        equal_error_rate=interval(curve.equal_error_rate, samples["equal_error_rate"]),
        val={far: interval(curve.val_at(far), samples[val_name(far)]) for far in measurable},
        unmeasured={
            far: f"needs {int(np.ceil(1 / far - 1e-9)):,} impostor pairs; there are {impostors:,}"
            for far in fars
            if far not in measurable
        },
        samples=samples,
        folds=judged.folds,
        not_judged=tuple(int(number) for number in tested if number not in judged.folds),
    )


def val_name(far: float) -> str:
    """Return the name of VAL at a FAR in figures.json, such as val_at_far_1e-3."""
    power = round(np.log10(far))
    return f"val_at_far_1e{power}" if np.isclose(far, 10.0**power, rtol=1e-9) else f"val_at_far_{far:g}"


@dataclass(frozen=True)
class _Judged:
    """Decisions on the pairs within each tested fold, by the threshold of the other folds."""

    within: NDArray[np.bool_]
    accepted: NDArray[np.bool_]
    accuracies: tuple[float, ...]
    thresholds: tuple[float, ...]
    folds: tuple[int, ...]

    def of(self, chosen: NDArray[np.bool_]) -> "_Judged":
        return _Judged(self.within[chosen], self.accepted[chosen], self.accuracies, self.thresholds, self.folds)


def _by_folds(
    scored: ScoredPairs, folds: tuple[NDArray[np.int64], NDArray[np.int64]], tested: Sequence[int]
) -> _Judged:
    within, accepted = np.zeros(len(scored), bool), np.zeros(len(scored), bool)
    accuracies, thresholds, folds_judged = [], [], []
    for number in tested:
        inside = (folds[0] == number) & (folds[1] == number)
        outside = (folds[0] != number) & (folds[1] != number)
        mine = scored[np.flatnonzero(inside)]
        same, distances = scored.same[outside], scored.distances[outside]
        if not all(kinds.any() and not kinds.all() for kinds in (mine.same, same)):
            continue
        threshold = most_accurate(weighted_roc(distances, same))
        within |= inside
        accepted[inside] = mine.distances <= threshold
        accuracies.append(accuracy(mine.genuine, mine.impostor, threshold))
        thresholds.append(threshold)
        folds_judged.append(int(number))
    if not accuracies:
        raise DataError(
            "no fold has same-person and different-person pairs both inside and outside the fold; use fewer folds"
        )
    return _Judged(within, accepted, tuple(accuracies), tuple(thresholds), tuple(folds_judged))


def _resample_accuracy(scored: ScoredPairs, judged: _Judged, rounds: int, seed: int) -> NDArray[np.float64]:
    """Compute the accuracy of each bootstrap round, with equal total weight of genuine and impostor pairs."""
    right = judged.accepted == scored.same
    genuine, impostor = (np.flatnonzero(judged.within & kind) for kind in (scored.same, ~scored.same))
    counts = [PersonCounts(scored[chosen], right[chosen]) for chosen in (genuine, impostor)]
    return np.array([np.mean([kind.share(drawn) for kind in counts]) for drawn in draws(scored.people, rounds, seed)])
