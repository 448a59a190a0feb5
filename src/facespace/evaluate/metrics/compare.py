"""Is one model better than another? The difference of their figures on the same pairs, with an interval.

Both models are judged on the same people in every bootstrap round, so that what makes people hard for both cancels
out: the interval on the difference is narrower than those of the two figures suggest.
"""

from dataclasses import dataclass

import numpy as np

from facespace.errors import DataError
from facespace.evaluate.metrics.intervals import Interval, interval
from facespace.evaluate.metrics.verification import VerificationFigures


@dataclass(frozen=True)
class Difference:
    """A figure of two models, and first minus second with its 95 % interval."""

    name: str
    first: float
    second: float
    difference: Interval

    @property
    def clear(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.difference.low > 0 or self.difference.high < 0


def compare(first: VerificationFigures, second: VerificationFigures) -> list[Difference]:
    """The differences of all figures that both have.

    Parameters
    ----------
    first, second : figures of two models on the same pairs, from the same seed and rounds

    Raises
    ------
    DataError
        They are not of the same pairs, or of bootstraps of different lengths.
    """
    if not np.array_equal(_codes(first), _codes(second)):
        raise DataError("two models can only be compared on the same pairs: evaluate both by one protocol and seed")
    if any(len(first.samples[name]) != len(second.samples[name]) for name in _shared(first, second)):
        raise DataError("two models can only be compared with the same number of bootstrap rounds")
    values = _values(first), _values(second)
    return [
        Difference(
            name,
            values[0][name],
            values[1][name],
            interval(values[0][name] - values[1][name], first.samples[name] - second.samples[name]),
        )
        for name in _shared(first, second)
    ]


def _shared(first: VerificationFigures, second: VerificationFigures) -> list[str]:
    return [name for name in first.samples if name in second.samples]


def _values(figures: VerificationFigures) -> dict[str, float]:
    """The value of each sampled figure, in the order of the samples."""
    told = [figures.accuracy, figures.auc, figures.equal_error_rate, *figures.val.values()]
    return {name: figure.value for name, figure in zip(figures.samples, told, strict=True)}


def _codes(figures: VerificationFigures) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Each pair with its truth as one number, sorted."""
    most = int(max(figures.pairs.a.max(), figures.pairs.b.max())) + 1
    return np.sort((figures.pairs.a * most + figures.pairs.b) * 2 + figures.pairs.same)
