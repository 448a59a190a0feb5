"""ROC metrics of many bootstrap rounds: pairs are sorted once, and only their weights change.

A round needs only the cumulative weights of genuine and of impostor pairs in order of distance; each metric is then a
lookup. The position of each pair among the pairs of the other kind is computed once.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facespace.evaluate.metrics.intervals import ROUNDS, draws
from facespace.evaluate.metrics.pairs import ScoredPairs

# Impostor pairs used in each round. If there are more, the nearest ones, half this number, are all used; of the rest,
# every k-th one is used with weight k. On 4.3 million pairs this is eight times as fast, and no end of an interval
# moved by more than a twentieth of the interval.
MAX_IMPOSTORS = 400_000


@dataclass(frozen=True)
class RocSamples:
    """Metrics of each bootstrap round, shape (rounds,); `val` has shape (rounds, fars). NaN if undefined."""

    auc: NDArray[np.float64]
    equal_error_rate: NDArray[np.float64]
    val: NDArray[np.float64]


def resample_roc(pairs: ScoredPairs, fars: tuple[float, ...], rounds: int = ROUNDS, seed: int = 0) -> RocSamples:
    """Compute AUC, equal error rate and VAL at each FAR in each bootstrap round over people.

    Parameters
    ----------
    pairs : ScoredPairs
    fars : tuple of float
        False accept rates.
    rounds, seed : int
        The same seed draws the same people, so that two models can be compared.

    Returns
    -------
    RocSamples
    """
    genuine = pairs[np.flatnonzero(pairs.same)]
    genuine = genuine[np.argsort(genuine.distances, kind="stable")]
    impostor, counts = _thinned(pairs)
    table = _Table(genuine, impostor, counts, fars)
    found = np.full((rounds, 2 + len(fars)), np.nan)
    for number, drawn in enumerate(draws(pairs.people, rounds, seed)):
        found[number] = table.figures(drawn)
    return RocSamples(found[:, 0], found[:, 1], found[:, 2:])


class _Table:
    """Both kinds of pairs in order of distance, and the position of each among the other kind."""

    def __init__(self, genuine: ScoredPairs, impostor: ScoredPairs, counts: NDArray[np.int64], fars: tuple[float, ...]):
        self.genuine = genuine.first
        self.first, self.second, self.counts = impostor.first, impostor.second, counts
        self.fars = np.asarray(fars, np.float64)
        self.nearer = np.searchsorted(impostor.distances, genuine.distances, side="left")
        self.up_to = np.searchsorted(impostor.distances, genuine.distances, side="right")
        # Pairs at equal distances are accepted together.
        self.start = np.searchsorted(genuine.distances, genuine.distances, side="left")
        self.end = np.searchsorted(genuine.distances, genuine.distances, side="right")
        tie = np.searchsorted(impostor.distances, impostor.distances, side="left")
        self.tie = np.append(tie, len(tie))
        before = np.searchsorted(genuine.distances, impostor.distances, side="left")
        # If all impostor pairs may be accepted, all genuine pairs with a finite distance are.
        self.before = np.append(before, np.isfinite(genuine.distances).sum())

    def figures(self, drawn: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return AUC, equal error rate and VALs of one round; NaN if a kind of pairs was not drawn."""
        few = drawn.astype(np.uint16)
        weights = few[self.genuine]
        near = _cumulated(weights)
        far = _cumulated(self.counts * (few[self.first] * few[self.second]))
        if not near[-1] or not far[-1]:
            return np.full(2 + len(self.fars), np.nan)
        false_accepts = (far[self.nearer] + far[self.up_to]) / (2 * far[-1])
        auc = 1 - float(weights @ false_accepts) / near[-1]
        allowed = np.searchsorted(far, self.fars * far[-1] * (1 + 1e-9), side="right") - 1
        vals = near[self.before[self.tie[allowed]]] / near[-1]
        return np.array([auc, self._equal_error_rate(near / near[-1], far / far[-1]), *vals])

    def _equal_error_rate(self, val: NDArray[np.float64], far: NDArray[np.float64]) -> float:
        """Return the value where FAR and 1 - VAL cross: at the first genuine pair where FAR >= 1 - VAL."""
        k = int(np.argmax(far[self.up_to] >= 1 - val[self.end]))
        low, high = far[self.nearer[k]], far[self.up_to[k]]
        before, after = low - (1 - val[self.start[k]]), high - (1 - val[self.end[k]])
        # Either the impostor pairs before this distance cross the line, or the pairs at this distance do.
        return float(1 - val[self.start[k]] if before >= 0 else low - (high - low) * before / (after - before))


def _cumulated(weights: NDArray[np.int64] | NDArray[np.uint16]) -> NDArray[np.int64]:
    """Return the sums of the first 0, 1, 2... weights."""
    sums = np.zeros(len(weights) + 1, np.int64)
    np.cumsum(weights, out=sums[1:])
    return sums


def _thinned(pairs: ScoredPairs) -> tuple[ScoredPairs, NDArray[np.int64]]:
    """Return the (sampled) impostor pairs in order of distance, and the number of pairs each represents."""
    impostor = pairs[np.flatnonzero(~pairs.same)]
    order = np.argsort(impostor.distances, kind="stable")
    if len(order) <= MAX_IMPOSTORS:
        return impostor[order], np.ones(len(order), np.int64)
    exact, rest = order[: MAX_IMPOSTORS // 2], order[MAX_IMPOSTORS // 2 :]
    step = int(np.ceil(len(rest) / (MAX_IMPOSTORS // 2)))
    kept = np.concatenate([exact, rest[step // 2 :: step]])
    counts = np.ones(len(kept), np.int64)
    counts[len(exact) :] = step
    return impostor[kept], counts
