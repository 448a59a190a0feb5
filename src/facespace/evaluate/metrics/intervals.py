"""Confidence intervals by the bootstrap over identities.

Photos of one person are similar, so pairs are not independent, but people are. Each round draws people with
replacement. The genuine pairs of a person drawn w times have weight w, and the impostor pairs of two people drawn v and
w times have weight v * w.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

ROUNDS = 1000
LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


def draws(identities: int, rounds: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Yield how often each identity is drawn in each round; int64, shape (identities,)."""
    rng = np.random.default_rng(seed)
    for _ in range(rounds):
        yield np.bincount(rng.integers(identities, size=identities), minlength=identities)


def over_identities(
    value: float,
    people: ArrayLike,
    statistic: Callable[[NDArray[np.int64]], float],
    rounds: int = ROUNDS,
    seed: int = 0,
) -> Interval:
    """Compute the percentile interval of a statistic of items (photos, probes) that belong to people.

    Parameters
    ----------
    value : float
        The statistic on the original items.
    people : int array-like, shape (n,)
        The person of each item.
    statistic : callable
        Takes the weight of each item, int64 of shape (n,), and returns a number, or NaN if it is undefined.
    rounds, seed : int
    """
    identities, owner = np.unique(np.asarray(people), return_inverse=True)
    return interval(value, [statistic(drawn[owner]) for drawn in draws(len(identities), rounds, seed)])


def interval(value: float, samples: ArrayLike) -> Interval:
    """Compute the percentile interval of bootstrap samples, ignoring NaN."""
    found = np.asarray(samples, np.float64)
    found = found[np.isfinite(found)]
    if found.size == 0:
        return Interval(float(value), float("nan"), float("nan"))
    low, high = np.percentile(found, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    return Interval(float(value), float(low), float(high))
