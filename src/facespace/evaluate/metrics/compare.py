"""Compare two models: the difference of their metrics on the same pairs, with an interval.

In every bootstrap round both models are evaluated on the same people, so difficulty common to both cancels out. The
interval of the difference is narrower than the two separate intervals suggest.
"""

from dataclasses import dataclass

import numpy as np

from facespace.errors import DataError
from facespace.evaluate.metrics.intervals import Interval, interval
from facespace.evaluate.metrics.verification import VerificationFigures


@dataclass(frozen=True)
class Difference:
    """A metric of two models, and first minus second with its 95 % interval."""

    name: str
    first: float
    second: float
    difference: Interval

    @property
    def clear(self) -> bool:
        """Whether the interval excludes zero."""
        return self.difference.low > 0 or self.difference.high < 0


def compare(first: VerificationFigures, second: VerificationFigures) -> list[Difference]:
    """Compute the differences of all metrics that both models have.

    Parameters
    ----------
    first, second : VerificationFigures
        Of two models on the same pairs, with the same seed and number of rounds.

    Raises
    ------
    DataError
        The pairs or the numbers of bootstrap rounds differ.
    """
    if not np.array_equal(_codes(first), _codes(second)):
        raise DataError("two models can only be compared on the same pairs: use the same protocol and seed for both")
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
    """Return the value of each resampled metric, in the order of the samples."""
    figures_in_order = [figures.accuracy, figures.auc, figures.equal_error_rate, *figures.val.values()]
    return {name: figure.value for name, figure in zip(figures.samples, figures_in_order, strict=True)}


def _codes(figures: VerificationFigures) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Encode each pair and its truth as one number, sorted."""
    count = int(max(figures.pairs.a.max(), figures.pairs.b.max())) + 1
    return np.sort((figures.pairs.a * count + figures.pairs.b) * 2 + figures.pairs.same)
