"""How often something happens among pairs, with its interval over identities."""

import numpy as np
from numpy.typing import NDArray

from facespace.evaluate.metrics.intervals import LEVEL, ROUNDS, Interval, draws, interval
from facespace.evaluate.metrics.pairs import ScoredPairs


class PersonCounts:
    """Pairs and events among them for each two people: far fewer than pairs of faces.

    Parameters
    ----------
    pairs : ScoredPairs, all of one kind
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
        """The share of pairs for which it happened, when each person counts as often as drawn; NaN without pairs."""
        weights = drawn[self._first] if self._genuine else drawn[self._first] * drawn[self._second]
        total = weights @ self._pairs
        return float(weights @ self._events / total) if total else float("nan")


def rate(pairs: ScoredPairs, happened: NDArray[np.bool_], rounds: int = ROUNDS, seed: int = 0) -> Interval:
    """The share of pairs for which something happened.

    Parameters
    ----------
    pairs : ScoredPairs
        All genuine, or all impostor; at least one.
    happened : bool, shape (p,)
    rounds, seed : of the bootstrap over identities

    Returns
    -------
    Interval
        Where it happened never or always every resample says the same; the open end is then the exact binomial bound
        (Clopper and Pearson, 1934) with each two people as one trial.
    """
    counts = PersonCounts(pairs, happened)
    share = float(happened.mean())
    if share in (0.0, 1.0):
        open_end = 1 - (1 - LEVEL) ** (1 / counts.trials)
        return Interval(share, 0.0, open_end) if share == 0 else Interval(share, 1 - open_end, 1.0)
    return interval(share, [counts.share(drawn) for drawn in draws(pairs.people, rounds, seed)])
