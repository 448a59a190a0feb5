"""False match rates within demographic groups, and the threshold that holds for the worst group.

A false accept rate over all pairs hides differences between groups: different people of one ethnicity and sex, or
children, can be confused a hundred times as often. ISO/IEC 19795-10 therefore requires rates within groups.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from facespace.errors import DataError
from facespace.evaluate.metrics.intervals import Interval
from facespace.evaluate.metrics.pairs import ScoredPairs, all_pairs, score
from facespace.evaluate.metrics.reliability import reliability
from facespace.evaluate.metrics.strangers import Strangers, WorstThreshold, val_at_drawn, worst_thresholds
from facespace.images import natural
from facespace.metric import Calibration

# False accept rates of the worst-group thresholds, as far as the groups have enough pairs.
FARS = (1e-1, 1e-2, 5e-3, 1e-3, 1e-4)

# The key figure is VAL at the threshold where no group's false match rate exceeds this.
KEY_FAR = 5e-3

# Groups with fewer pairs are not reported.
MIN_PAIRS = 100

# Children are people up to this age, given in years or as a range.
CHILD = 9

ALL = "all"

_ROUNDS = 200


@dataclass(frozen=True)
class GroupedFaces:
    """Faces of different people, with the groups they belong to.

    embeddings : float32, shape (n, d), L2 norm 1
    people : int64, shape (n,), the person of each face; a unique number if unknown
    columns : by title, such as group, sex and age: text of shape (n,), '' if unknown
    data : description of the data for the card
    """

    embeddings: NDArray[np.float32] = field(repr=False)
    people: NDArray[np.int64] = field(repr=False)
    columns: Mapping[str, NDArray[np.str_]] = field(repr=False)
    data: str


@dataclass(frozen=True)
class StatedThreshold:
    """A threshold at which the rate of each group is reported, its false accept rate, and for whom it holds."""

    far: float
    threshold: float
    holds_for: Literal["worst group", "average pair"]


@dataclass(frozen=True)
class GroupRates:
    """The false match rates within a group.

    column, name : such as 'age' and '3-9', or 'group, sex' and 'Black, Female'
    faces, pairs : their number in the group
    rates : at each threshold of `GroupFigures.at`
    """

    column: str
    name: str
    faces: int
    pairs: int
    rates: tuple[Interval, ...]


@dataclass(frozen=True)
class WorstFigures:
    """The worst-group threshold for a false accept rate, and VAL at it (None without genuine pairs)."""

    worst: WorstThreshold
    val: Interval | None


@dataclass(frozen=True)
class GroupFigures:
    """The measurements within groups.

    data : description of the data
    by : the columns whose combinations form the groups that determine the thresholds
    faces : number of faces in all groups
    thresholds : worst-group threshold for each false accept rate
    at : the thresholds of the rates in `groups`
    groups : first the groups that determine the thresholds, then groups by other columns, then all faces
    calibration_error : of the probabilities on the genuine pairs and the impostor pairs within the first groups
    """

    data: str
    by: tuple[str, ...]
    faces: int
    thresholds: tuple[WorstFigures, ...]
    at: tuple[StatedThreshold, ...]
    groups: tuple[GroupRates, ...]
    calibration_error: float | None = None

    def worst(self, far: float = KEY_FAR) -> WorstFigures:
        """Return the worst-group threshold for `far`, and VAL at it; raises DataError if it was not measurable."""
        for found in self.thresholds:
            if np.isclose(found.worst.far, far, rtol=1e-9):
                return found
        raise DataError(f"no group of {self.data} has enough pairs for a false accept rate of {far:g}")

    def rate(self, column: str, name: str, far: float = KEY_FAR) -> Interval:
        """Return the false match rate of one group at the worst-group threshold for `far`."""
        where = [n for n, at in enumerate(self.at) if at.holds_for == WORST and np.isclose(at.far, far, rtol=1e-9)]
        for group in self.groups:
            if (group.column, group.name) == (column, name) and where:
                return group.rates[where[0]]
        raise DataError(f"there is no figure for {column} {name!r} of {self.data} at {far:g}")


WORST: Literal["worst group"] = "worst group"
AVERAGE: Literal["average pair"] = "average pair"
CHILDREN = ("age", f"up to {CHILD}")


def measure_groups(
    faces: GroupedFaces,
    by: Sequence[Sequence[str]] | None = None,
    genuine: ScoredPairs | None = None,
    average: Mapping[float, float] | None = None,
    default_far: float = 1e-3,
    calibration: Calibration | None = None,
    seed: int = 0,
    rounds: int = _ROUNDS,
) -> GroupFigures:
    """Measure thresholds that hold for the worst group, and the false match rate of each group.

    Parameters
    ----------
    faces : GroupedFaces
    by : sequences of column titles, or None
        Groups by the first combination of columns determine the thresholds; groups by the others are only reported.
        None uses `default_by`.
    genuine : ScoredPairs or None
        Same-person pairs of other people, such as the validation people, to measure VAL on.
    average : mapping of false accept rate to threshold, or None
        Thresholds measured on all pairs; the rates of the groups are also reported at the one for `default_far`.
    default_far : float
    calibration : Calibration or None
        Calibration whose error to measure; needs `genuine`.
    seed, rounds : int
        Random seed and number of rounds of the bootstrap.

    Raises
    ------
    DataError
        A column does not exist, or no group has enough pairs for any rate.
    """
    asked = default_by(faces.columns) if by is None else [tuple(titles) for titles in by]
    for title in (title for titles in asked for title in titles):
        if title not in faces.columns:
            raise DataError(f"{faces.data}: there is no column {title!r}; it has {', '.join(faces.columns)}")

    def strangers(rows: NDArray[np.int64]) -> Strangers | None:
        if len(np.unique(faces.people[rows])) < 2:
            return None
        found = Strangers(faces.embeddings[rows], faces.people[rows], rounds, seed)
        return found if found.pairs >= MIN_PAIRS else None

    deciding = {
        name: group for name, rows in groups_by(faces.columns, asked[0]) if (group := strangers(rows)) is not None
    }
    worst = worst_thresholds(deciding, FARS)
    if not worst:
        raise DataError(
            f"{faces.data}: no group by {', '.join(asked[0])} has enough faces; each group needs at least "
            f"{MIN_PAIRS} pairs of different people, which is 15 faces"
        )
    at = _stated(worst, average or {}, default_far)
    shown = [_rates(", ".join(asked[0]), name, group, at) for name, group in deciding.items()]
    for titles in asked[1:]:
        for name, rows in groups_by(faces.columns, titles):
            group = strangers(rows)
            if group is not None:
                shown.append(_rates(", ".join(titles), name, group, at))
    everybody = strangers(np.arange(len(faces.people)))
    if everybody is not None:
        shown.append(_rates(ALL, "all pairs", everybody, at))
    error = None
    if calibration is not None and genuine is not None:
        near = np.concatenate([genuine.genuine, *(group.distances() for group in deciding.values())])
        same = np.arange(len(near)) < len(genuine)
        known = np.isfinite(near)
        error = reliability(calibration.probability(near[known]), same[known]).error
    return GroupFigures(
        data=faces.data,
        by=asked[0],
        faces=len(faces.people),
        thresholds=tuple(
            WorstFigures(
                each,
                None if genuine is None else val_at_drawn(genuine, each.threshold.value, each.samples, seed),
            )
            for each in worst
        ),
        at=at,
        groups=tuple(shown),
        calibration_error=error,
    )


def val_at_worst_group(
    embeddings: NDArray[np.float32],
    people: NDArray[np.int64],
    faces: GroupedFaces,
    far: float = KEY_FAR,
    by: Sequence[str] | None = None,
    seed: int = 0,
) -> tuple[Interval, GroupFigures]:
    """Compute the key figure: VAL at the threshold where no group's false match rate exceeds `far`.

    Parameters
    ----------
    embeddings : float32, shape (n, d), L2 norm 1
    people : int64, shape (n,)
        Faces of validation people, whose same-person pairs are the genuine pairs.
    faces : GroupedFaces
        Faces by group, embedded by the same network.
    far : float
        One of `FARS`.
    by : column titles or None
        The first element of `by` in `measure_groups`.
    seed : int

    Returns
    -------
    Interval, GroupFigures
        VAL, and all measurements; `figures.rate(*CHILDREN)` is the false match rate of children at that threshold.
    """
    asked = None if by is None else [by, *default_by(faces.columns)[1:]]
    figures = measure_groups(faces, asked, genuine_pairs(embeddings, people), seed=seed)
    found = figures.worst(far).val
    assert found is not None
    return found, figures


def genuine_pairs(embeddings: NDArray[np.float32], people: NDArray[np.int64]) -> ScoredPairs:
    """Score all same-person pairs; raises DataError if there are none."""
    pairs = all_pairs(people)
    pairs = pairs[pairs.same]
    if not len(pairs):
        raise DataError("no person has two photos, so there are no genuine pairs to measure")
    return score(embeddings, people, pairs)


def default_by(columns: Mapping[str, NDArray[np.str_]]) -> list[tuple[str, ...]]:
    """Return the default groupings: group and sex combined, then each alone, then age; else by the first column."""
    known = [title for title in ("group", "sex") if title in columns]
    if not known:
        known = list(columns)[:1]
    alone = [(title,) for title in [*known, "age"] if title in columns and (title,) != tuple(known)]
    return [tuple(known), *alone]


def groups_by(
    columns: Mapping[str, NDArray[np.str_]], titles: Sequence[str]
) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """Iterate over the rows of each combination of values, in natural order; for age alone also over children."""
    values = np.stack([columns[title] for title in titles], axis=1)
    known = (values != "").all(axis=1)
    distinct, number = np.unique(values[known], axis=0, return_inverse=True)
    rows = np.flatnonzero(known)
    for at in sorted(range(len(distinct)), key=lambda n: [natural(str(word)) for word in distinct[n]]):
        yield ", ".join(map(str, distinct[at])), rows[number.ravel() == at]
    if tuple(titles) == ("age",):
        children = np.array([_oldest(str(word)) <= CHILD for word in values[:, 0]])
        if children.any():
            yield CHILDREN[1], np.flatnonzero(children)


def _oldest(age: str) -> float:
    """Return the upper end of a range such as 3-9, or a single age; infinite if open or unknown."""
    found = re.fullmatch(r"\s*(?:\d+\s*[-\u2013]\s*)?(\d+(?:\.\d+)?)\s*", age)
    return float(found[1]) if found else np.inf


def _stated(
    worst: Sequence[WorstThreshold], average: Mapping[float, float], default_far: float
) -> tuple[StatedThreshold, ...]:
    by_far = {each.far: each.threshold.value for each in worst}
    smallest = min((far for far in by_far if far >= default_far * (1 - 1e-9)), default=max(by_far))
    found = [StatedThreshold(smallest, by_far[smallest], WORST)]
    if KEY_FAR in by_far and smallest != KEY_FAR:
        found.append(StatedThreshold(KEY_FAR, by_far[KEY_FAR], WORST))
    if default_far in average:
        found.append(StatedThreshold(default_far, average[default_far], AVERAGE))
    return tuple(found)


def _rates(column: str, name: str, group: Strangers, at: Sequence[StatedThreshold]) -> GroupRates:
    return GroupRates(column, name, group.faces, group.pairs, tuple(group.rate(each.threshold) for each in at))
