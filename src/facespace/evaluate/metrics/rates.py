"""Rates of an event among pairs, with an interval over identities."""

import numpy as np
from numpy.typing import NDArray

from facespace.evaluate.metrics.intervals import LEVEL, ROUNDS, Interval, draws, interval
from facespace.evaluate.metrics.pairs import ScoredPairs


class PersonCounts:
    """Numbers of pairs and events for each pair of people, which are far fewer than pairs of faces.

    Parameters
    ----------
    pairs : ScoredPairs
        All genuine, or all impostor.
    happened : bool, shape (p,)
    """

    def __init__(self, pairs: ScoredPairs, happened: NDArray[np.bool_]):
        codes, where = np.unique(pairs.first * pairs.people + pairs.second, return_inverse=True)
        self._first, self._second = codes // pairs.people, codes % pairs.people
        self._genuine = bool(pairs.same.all())
        self._pairs = np.bincount(where)
        self._events = np.bincount(where, weights=happened)
        self.trials = len(codes)

    def share(self, drawn: NDArray[np.int64]) -> float:
        """Return the share of pairs with the event in a bootstrap round; NaN if it has no pairs."""
        weights = drawn[self._first] if self._genuine else drawn[self._first] * drawn[self._second]
        total = weights @ self._pairs
        return float(weights @ self._events / total) if total else float("nan")


def rate(pairs: ScoredPairs, happened: NDArray[np.bool_], rounds: int = ROUNDS, seed: int = 0) -> Interval:
    """Compute the share of pairs with an event.

    Parameters
    ----------
    pairs : ScoredPairs
        All genuine, or all impostor; at least one.
    happened : bool, shape (p,)
    rounds, seed : int
        Number of rounds and random seed of the bootstrap over identities.

    Returns
    -------
    Interval
        If the share is 0 or 1, every bootstrap round gives the same value. The other end is then the exact binomial
        bound (Clopper and Pearson, 1934), with each pair of people as one trial.
    """
    counts = PersonCounts(pairs, happened)
    share = float(happened.mean())
    if share in (0.0, 1.0):
        open_end = 1 - (1 - LEVEL) ** (1 / counts.trials)
        return Interval(share, 0.0, open_end) if share == 0 else Interval(share, 1 - open_end, 1.0)
    return interval(share, [counts.share(drawn) for drawn in draws(pairs.people, rounds, seed)])
