"""Measure thresholds, calibration and the clustering cut of a space, for the model card.

They must be measured on people who are not in the training set. Accuracy on the same people is then optimistic, so it
must be reported on other people.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facespace.clustering import Cut, arrange
from facespace.errors import DataError
from facespace.evaluate.groups import KEY_FAR, GroupedFaces, GroupFigures, measure_groups
from facespace.evaluate.impostor_tails import MIN_ACCEPTED, impostor_tails
from facespace.evaluate.metrics.grouping import bcubed_f
from facespace.evaluate.metrics.intervals import Interval
from facespace.evaluate.metrics.pairs import all_pairs, score
from facespace.evaluate.metrics.reliability import Reliability, reliability
from facespace.metric import (
    FRRS,
    Calibration,
    as_points,
    fit_calibration,
    measurable_frr,
    rejection_at,
    threshold_at,
)
from facespace.model import (
    CalibrationCard,
    CalibrationErrorCard,
    ClusteringCard,
    DecisionsCard,
    DistancesCard,
    GroupRatesCard,
    GroupsCard,
    GroupThresholdCard,
    RejectionCard,
    ShareCard,
    StatedThresholdCard,
    ThresholdCard,
)

FARS = (1e-1, 1e-2, 1e-3, 1e-4)

# The default FAR of verdicts, if there are enough pairs to measure it.
PREFERRED_FAR = 1e-3

_ROUNDS = 200
_CUTS = 64
_BARS = 120


def decide(
    embeddings: ArrayLike,
    people: ArrayLike,
    data: str,
    seed: int = 0,
    strangers: GroupedFaces | None = None,
    by: Sequence[Sequence[str]] | None = None,
) -> DecisionsCard:
    """Measure thresholds, calibration and clustering cut on all pairs of some people's faces.

    Parameters
    ----------
    embeddings : array-like, shape (n, d), L2 norm 1
    people : int array-like, shape (n,)
    data : str
        Description of the data for the card.
    seed : int
        Seed of the bootstrap over identities, which gives the 95 % intervals of the thresholds.
    strangers : GroupedFaces or None
        Faces of other people by group, embedded by the same network. The card then also has thresholds that hold for
        the worst group.
    by : column titles or None
        See `measure_groups`.

    Returns
    -------
    DecisionsCard
        With thresholds for FAR 1e-1 to 1e-4, as far as at least ten impostor pairs are accepted, and rejection
        distances for `FRRS`, as far as at least ten genuine pairs are rejected.

    Raises
    ------
    EmbeddingError
        An embedding is not finite, or does not have L2 norm 1.
    DataError
        There are too few people or photos for any threshold, or the space does not separate people at all.
    """
    points, labels = as_points(embeddings), np.asarray(people)
    pairs = all_pairs(labels)
    distances = score(points, labels, pairs).distances
    genuine, impostor = distances[pairs.same], distances[~pairs.same]
    fars = [far for far in FARS if far * len(impostor) >= MIN_ACCEPTED]
    if not fars or len(genuine) < MIN_ACCEPTED:
        raise DataError(
            f"{len(np.unique(labels))} people with {len(genuine)} genuine and {len(impostor)} impostor pairs are "
            f"too few to measure a threshold: use more people (at least {MIN_ACCEPTED} genuine and "
            f"{MIN_ACCEPTED / FARS[0]:.0f} impostor pairs are needed)"
        )
    try:
        calibration = fit_calibration(genuine, impostor)
    except ValueError as error:
        raise DataError(f"the distances of this space cannot be calibrated: {error}") from None
    impostors = ~pairs.same
    spread = _bootstrap_thresholds(impostor, labels[pairs.a[impostors]], labels[pairs.b[impostors]], fars, seed)
    thresholds = [_clip(threshold_at(far, impostor)) for far in fars]
    default_far = max(min(fars), PREFERRED_FAR)
    errors = [CalibrationErrorCard(data=data, error=_calibration_error(calibration, genuine, impostor))]
    groups = None
    if strangers is not None:
        measured = measure_groups(
            strangers,
            by,
            score(points, labels, pairs[pairs.same]),
            dict(zip(fars, thresholds, strict=True)),
            default_far,
            calibration,
            seed,
        )
        groups = groups_card(measured)
        if measured.calibration_error is not None:
            errors.append(
                CalibrationErrorCard(
                    data=f"strangers of one {', '.join(measured.by)} ({measured.data}) and the same genuine pairs",
                    error=measured.calibration_error,
                )
            )
    rejections = _rejections(genuine, labels[pairs.a[pairs.same]], seed)
    decisions = DecisionsCard(
        data=data,
        people=len(np.unique(labels)),
        genuine_pairs=len(genuine),
        impostor_pairs=len(impostor),
        default_far=default_far,
        thresholds=[
            ThresholdCard(far=far, threshold=threshold, low=_clip(low), high=_clip(high))
            for far, threshold, (low, high) in zip(fars, thresholds, spread, strict=True)
        ],
        rejections=rejections,
        default_frr=measurable_frr(len(genuine)) if rejections else None,
        calibration=CalibrationCard(
            slope=calibration.slope, intercept=calibration.intercept, population=data, errors=tuple(errors)
        ),
        clustering=_clustering(points, labels, distances),
        impostors=impostor_tails(points, labels, seed),
        distances=_histograms(genuine, impostor),
    )
    return decisions if groups is None else with_groups(decisions, groups)


def with_groups(decisions: DecisionsCard, groups: GroupsCard) -> DecisionsCard:
    """Add thresholds that hold for the worst of these groups; the default FAR becomes `KEY_FAR` if it is measurable.

    A rate of 1 in 1,000 in the worst group would reject many more genuine pairs than 5 in 1,000. Most groups stay far
    below that rate.
    """
    far = KEY_FAR if groups.deciding(KEY_FAR) else decisions.default_far
    # model_copy would skip validation.
    return DecisionsCard.model_validate({**decisions.model_dump(), "groups": groups.model_dump(), "default_far": far})


def groups_card(figures: GroupFigures) -> GroupsCard:
    """Convert measurements within groups to their form in the card."""
    return GroupsCard(
        data=figures.data,
        faces=figures.faces,
        by=figures.by,
        thresholds=tuple(
            GroupThresholdCard(
                far=each.worst.far,
                threshold=_clip(each.worst.threshold.value),
                low=_clip(each.worst.threshold.low),
                high=_clip(each.worst.threshold.high),
                group=each.worst.group,
                groups=each.worst.groups,
                val=None if each.val is None else _share(each.val),
            )
            for each in figures.thresholds
        ),
        at=tuple(
            StatedThresholdCard(far=at.far, threshold=_clip(at.threshold), holds_for=at.holds_for) for at in figures.at
        ),
        groups=tuple(
            GroupRatesCard(
                column=group.column,
                name=group.name,
                faces=group.faces,
                pairs=group.pairs,
                rates=tuple(_share(rate) for rate in group.rates),
            )
            for group in figures.groups
        ),
    )


def with_calibration_error(decisions: DecisionsCard, data: str, found: Reliability) -> DecisionsCard:
    """Add the calibration error on other pairs, such as LFW's; thresholds and calibration do not change.

    Parameters
    ----------
    decisions : DecisionsCard
    data : str
        Description of the pairs.
    found : Reliability
        From `facespace.evaluate.reliability` or `Evaluation.reliability`.
    """
    kept = [entry for entry in decisions.calibration.errors if entry.data != data]
    errors = (*kept, CalibrationErrorCard(data=data, error=found.error))
    return decisions.model_copy(update={"calibration": decisions.calibration.model_copy(update={"errors": errors})})


def _calibration_error(calibration: Calibration, genuine: NDArray[np.float64], impostor: NDArray[np.float64]) -> float:
    both = np.concatenate([genuine, impostor])
    return reliability(calibration.probability(both), np.arange(len(both)) < len(genuine)).error


def _share(found: Interval) -> ShareCard:
    # Four digits are enough for the width of the intervals.
    value, low, high = (float(f"{number:.4g}") for number in (found.value, found.low, found.high))
    known = np.isfinite([low, high]).all()
    return ShareCard(value=value, low=low if known else value, high=high if known else value)


def _bootstrap_thresholds(
    impostor: NDArray[np.float64],
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    fars: Sequence[float],
    seed: int,
) -> NDArray[np.float64]:
    """Return 95 % intervals of the thresholds by resampling identities; shape (fars, 2).

    A pair of people i and j gets the weight (times i was drawn) x (times j was drawn).
    """
    rng = np.random.default_rng(seed)
    identities = np.unique(np.concatenate([first, second]))
    first, second = np.searchsorted(identities, first), np.searchsorted(identities, second)
    order = np.argsort(impostor)
    found = []
    for _ in range(_ROUNDS):
        drawn = np.bincount(rng.integers(len(identities), size=len(identities)), minlength=len(identities))
        weights = (drawn[first] * drawn[second])[order]
        if not weights.any():
            continue
        accepted = np.cumsum(weights) / weights.sum()
        found.append([impostor[order[np.searchsorted(accepted, far, side="right")]] for far in fars])
    return np.percentile(found, [2.5, 97.5], axis=0).T


def _rejections(genuine: NDArray[np.float64], owners: NDArray[np.int64], seed: int) -> list[RejectionCard]:
    """Return the distances that few same-person pairs exceed, with 95 % intervals by resampling identities.

    The weight of a pair is the number of times its person was drawn.
    """
    frrs = [frr for frr in FRRS if frr * len(genuine) >= MIN_ACCEPTED - 1e-9]
    rng = np.random.default_rng(seed)
    identities, owners = np.unique(owners, return_inverse=True)
    order = np.argsort(genuine)
    found = []
    for _ in range(_ROUNDS):
        drawn = np.bincount(rng.integers(len(identities), size=len(identities)), minlength=len(identities))
        weights = drawn[owners][order]
        within = np.cumsum(weights) / weights.sum()
        found.append([genuine[order[np.searchsorted(within, 1 - frr - 1e-12)]] for frr in frrs])
    spread = np.percentile(np.array(found).reshape(_ROUNDS, len(frrs)), [2.5, 97.5], axis=0).T
    return [
        RejectionCard(frr=frr, distance=_clip(rejection_at(frr, genuine)), low=_clip(low), high=_clip(high))
        for frr, (low, high) in zip(frrs, spread, strict=True)
    ]


def _clustering(
    points: NDArray[np.float32], labels: NDArray[np.int64], distances: NDArray[np.float64]
) -> ClusteringCard:
    """Find the cut of average linkage with the highest BCubed F on these people.

    Among equally good cuts it takes the middle of the widest run, which is the most robust.
    """
    cuts = np.linspace(distances.min(), distances.max(), _CUTS)
    merges = arrange(points, Cut(float(cuts[-1]))).merges
    scores = np.array([bcubed_f(labels, merges.cut(cut)) for cut in cuts])
    best = np.flatnonzero(scores >= scores.max() - 1e-9)
    runs = np.split(best, np.flatnonzero(np.diff(best) > 1) + 1)
    widest = max(runs, key=len)
    return ClusteringCard(linkage="average", threshold=_clip(float((cuts[widest[0]] + cuts[widest[-1]]) / 2)))


def _histograms(genuine: NDArray[np.float64], impostor: NDArray[np.float64]) -> DistancesCard:
    """Compute histograms of genuine and impostor distances, from 0 to above the largest."""
    largest = max(float(genuine.max()), float(impostor.max()), 1e-6)
    # Round the width to two digits for the card.
    step = min(4.0, float(f"{largest / _BARS * 1.01:.2g}"))
    bars = int(largest / step) + 1

    def shares(distances: NDArray[np.float64]) -> tuple[float, ...]:
        counts = np.bincount((distances / step).astype(np.int64), minlength=bars)
        return tuple(float(f"{share:.6g}") for share in (counts / len(distances)).tolist())

    return DistancesCard(step=step, genuine=shares(genuine), impostor=shares(impostor))


def _clip(distance: float) -> float:
    return float(np.clip(distance, 0, 4))
