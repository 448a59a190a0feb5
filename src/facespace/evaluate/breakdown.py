"""Error rates by quality, pose, or any property of photos or people.

All groups share one threshold, as in use. A pair belongs to a group if both its photos do. The false match rate within
a group is the one required by ISO/IEC 19795-10, because different people of one group are the hardest to distinguish.
For numeric properties of photos, such as quality, the worse photo of a pair decides.
"""

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facespace.errors import DataError
from facespace.evaluate.embedding import EmbeddedPhotos
from facespace.evaluate.metrics.intervals import Interval
from facespace.evaluate.metrics.rates import rate
from facespace.evaluate.metrics.verification import VerificationFigures
from facespace.evaluate.protocols import Protocol
from facespace.evaluate.table import read_table
from facespace.faces import pose

# A numeric column with more distinct values than this is split into thirds.
MAX_VALUES = 8

# Bootstrap rounds. There are many intervals, so fewer rounds than elsewhere.
_ROUNDS = 200


@dataclass(frozen=True)
class Group:
    """A group of pairs with its error rates; a rate is None if there are no pairs of that kind."""

    name: str
    genuine: int
    impostor: int
    fnmr: Interval | None
    fmr: Interval | None


@dataclass(frozen=True)
class Breakdown:
    """Error rates by one property.

    title : name of the property
    threshold : squared distance, the same for all groups
    far : false accept rate of that threshold on all pairs
    """

    title: str
    groups: tuple[Group, ...]
    threshold: float
    far: float


@dataclass(frozen=True)
class Column:
    """A property of each photo: numbers (NaN if unknown) or text ('' if unknown).

    worse : for numbers, which value of a pair decides: 'lower' or 'higher'
    """

    title: str
    values: NDArray[Any]
    worse: str = "lower"


def breakdowns(figures: VerificationFigures, columns: list[Column], far: float = 1e-3) -> tuple[Breakdown, ...]:
    """Compute both error rates for each group of each column, at the threshold for `far` on all pairs.

    With too few pairs for that rate, the lowest measurable rate is used instead.
    """
    kept = far if far in figures.val else min(figures.val, default=1.0)
    threshold = figures.roc.threshold_at(kept)
    found = []
    for column in columns:
        groups = _numbers(figures, column) if column.values.dtype.kind == "f" else _words(figures, column)
        shown = tuple(_group(figures, name, chosen, threshold) for name, chosen in groups if chosen.any())
        if len(shown) > 1:
            found.append(Breakdown(column.title, shown, threshold, kept))
    return tuple(found)


def photo_columns(faces: EmbeddedPhotos) -> list[Column]:
    """Return the columns for quality and pose that are known for these faces."""
    points = faces.landmarks.astype(np.float64)
    known = np.isfinite(points).all(axis=(1, 2)) & np.array([how == "found" for how in faces.how])
    apart, yaw, roll = (np.full(len(points), np.nan) for _ in range(3))
    apart[known] = np.linalg.norm(points[known, 1] - points[known, 0], axis=1)
    yaw[known], _, roll[known] = np.abs(pose(points[known])).T
    columns = [
        Column("quality (0 to 1)", faces.quality.astype(np.float64)),
        Column("pixels between the eyes", apart),
        Column("yaw of the head (degrees, absolute)", yaw, "higher"),
        Column("roll of the head (degrees, absolute)", roll, "higher"),
    ]
    # In photos of aligned faces all landmarks are equal, so these columns say nothing.
    informative = [column for column in columns if np.isfinite(column.values).any()]
    return [column for column in informative if np.nanstd(column.values) > 1e-3]


def read_columns(path: str | os.PathLike[str], protocol: Protocol) -> list[Column]:
    """Read properties from a CSV file with a column `photo` or `person` and at least one more.

    Numeric columns with more than eight distinct values are split into thirds; other columns are grouped by value.

    Raises
    ------
    DataError
        The file has neither column, has no other column, or has no photo or person of this evaluation.
    """
    table = read_table(path, ())
    key = next((name for name in ("photo", "person") if name in table.columns), None)
    others = [name for name in table.columns if name != key]
    if key is None or not others:
        raise DataError(f"{path} needs a column 'photo' or 'person', and at least one other column with a property")
    rows = {row[key]: row for row in table.rows}
    if key == "photo":
        mine = [rows.get(name) for name in protocol.names]
    else:
        mine = [rows.get(protocol.people[label]) for label in protocol.labels]
    if not any(mine):
        raise DataError(f"{path} contains no {key} of this evaluation; its first is {next(iter(rows))!r}")
    columns = []
    for name in others:
        words = np.array(["" if row is None else row[name].strip() for row in mine])
        try:
            numbers = np.array([float(word) if word else np.nan for word in words])
        except ValueError:
            numbers = None
        many = numbers is not None and len(np.unique(numbers[np.isfinite(numbers)])) > MAX_VALUES
        columns.append(Column(name, numbers if many and numbers is not None else words))
    return columns


def _words(figures: VerificationFigures, column: Column) -> list[tuple[str, NDArray[np.bool_]]]:
    first, second = column.values[figures.pairs.a], column.values[figures.pairs.b]
    return [(str(value), (first == value) & (second == value)) for value in np.unique(column.values) if value != ""]


def _numbers(figures: VerificationFigures, column: Column) -> list[tuple[str, NDArray[np.bool_]]]:
    worse = np.minimum if column.worse == "lower" else np.maximum
    values = worse(column.values[figures.pairs.a], column.values[figures.pairs.b])
    known = values[figures.pairs.same & np.isfinite(values)]
    if not len(known):
        return []
    low, high = np.quantile(known, [1 / 3, 2 / 3])
    return [
        (f"up to {low:.3g}", values <= low),
        (f"{low:.3g} to {high:.3g}", (values > low) & (values <= high)),
        (f"above {high:.3g}", values > high),
    ]


def _group(figures: VerificationFigures, name: str, chosen: NDArray[np.bool_], threshold: float) -> Group:
    scored = figures.scored
    genuine, impostor = scored[np.flatnonzero(chosen & scored.same)], scored[np.flatnonzero(chosen & ~scored.same)]
    return Group(
        name,
        len(genuine),
        len(impostor),
        rate(genuine, genuine.distances > threshold, _ROUNDS) if len(genuine) else None,
        rate(impostor, impostor.distances <= threshold, _ROUNDS) if len(impostor) else None,
    )
