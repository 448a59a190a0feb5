"""False match rates within groups, and the threshold at which no group exceeds a rate.

Intervals are by the bootstrap over identities. Rates are computed from people-by-people matrices, so all pairs of a few
thousand faces take seconds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facespace.evaluate.metrics.intervals import LEVEL, Interval, draws, interval
from facespace.evaluate.metrics.pairs import ScoredPairs
from facespace.metric import as_embeddings, squared_distances, threshold_at

Floats = NDArray[np.float64]

# A threshold based on fewer accepted pairs is mostly chance.
MIN_ACCEPTED = 10

# Limit on the faces of a group, which give 18 million pairs; larger groups are sampled.
MAX_FACES = 6_000

# The share of distances kept, as a multiple of the largest rate: a round may give small distances less weight.
_TAIL = 3


class Strangers:
    """All pairs of different people among the faces of a group.

    Parameters
    ----------
    embeddings : array-like, shape (n, d), L2 norm 1
    people : int array-like, shape (n,)
        The person of each face; a unique number if unknown.
    rounds, seed : int
        Number of rounds and random seed of the bootstrap; the seed also draws the sample of a large group.
    """

    def __init__(self, embeddings: ArrayLike, people: ArrayLike, rounds: int = 200, seed: int = 0):
        points, labels = as_embeddings(embeddings), np.asarray(people)
        self.faces = len(points)
        if len(points) > MAX_FACES:
            chosen = np.sort(np.random.default_rng(seed).permutation(len(points))[:MAX_FACES])
            points, labels = points[chosen], labels[chosen]
        order = np.argsort(labels, kind="stable")
        points = points[order]
        _, self._owner, counts = np.unique(labels[order], return_inverse=True, return_counts=True)
        self._counts = counts.astype(np.float64)
        self._distances = squared_distances(points, points)
        self._drawn = np.array(list(draws(len(counts), rounds, seed)), np.float64).reshape(rounds, len(counts))
        self.pairs = int(len(points) ** 2 - (counts**2).sum()) // 2

    def rate(self, threshold: float) -> Interval:
        """Return the share of pairs at or below the threshold, with its interval.

        If the share is 0 or 1, the other end is the exact binomial bound with each pair of people as one trial.
        """
        # Compare as float64: a threshold just below a distance, rounded to float32, would accept it.
        accepted = (self._distances <= np.float64(threshold)).astype(np.float32)
        starts = np.searchsorted(self._owner, np.arange(len(self._counts)))
        if len(starts) < len(self._owner):
            accepted = np.add.reduceat(np.add.reduceat(accepted, starts, axis=0), starts, axis=1)
        np.fill_diagonal(accepted, 0)
        value = float(accepted.sum(dtype=np.float64)) / (2 * self.pairs)
        if value in (0.0, 1.0):
            trials = len(starts) * (len(starts) - 1) // 2
            open_end = 1 - (1 - LEVEL) ** (1 / trials)
            return Interval(value, 0.0, open_end) if value == 0 else Interval(value, 1 - open_end, 1.0)
        weights = self._drawn.astype(np.float32)
        events = np.einsum("rp,rp->r", weights @ accepted, weights, dtype=np.float64)
        totals = 2 * self._totals()
        return interval(value, np.divide(events, totals, out=np.full(len(totals), np.nan), where=totals > 0))

    def thresholds(self, fars: Sequence[float]) -> tuple[Floats, Floats]:
        """Return the largest threshold for each rate, NaN if there are too few pairs.

        Returns
        -------
        thresholds : float64, shape (fars,)
        samples : float64, shape (rounds, fars), the thresholds of each bootstrap round
        """
        measurable = [far for far in fars if far * self.pairs >= MIN_ACCEPTED]
        values, samples = np.full(len(fars), np.nan), np.full((len(self._drawn), len(fars)), np.nan)
        if not measurable:
            return values, samples
        a, b = np.triu_indices(len(self._owner), 1)
        strangers = self._owner[a] != self._owner[b]
        a, b = a[strangers], b[strangers]
        distances = self._distances[a, b]
        for at, far in enumerate(fars):
            if far in measurable:
                values[at] = threshold_at(far, distances)
        kept = min(len(distances), int(_TAIL * max(measurable) * len(distances)) + 1)
        near = np.argpartition(distances, kept - 1)[:kept]
        near = near[np.argsort(distances[near], kind="stable")]
        first, second, sorted_distances = self._owner[a[near]], self._owner[b[near]], distances[near]
        for row, (drawn, total) in enumerate(zip(self._drawn, self._totals(), strict=True)):
            accepted = np.cumsum(drawn[first] * drawn[second])
            for at, far in enumerate(fars):
                if far in measurable and total > 0:
                    refused = min(int(np.searchsorted(accepted, far * total, side="right")), kept - 1)
                    samples[row, at] = sorted_distances[refused]
        return values, samples

    def distances(self) -> NDArray[np.float32]:
        """Return the squared distances of all pairs, float32, shape (pairs,)."""
        a, b = np.triu_indices(len(self._owner), 1)
        strangers = self._owner[a] != self._owner[b]
        return np.asarray(self._distances[a[strangers], b[strangers]])

    def _totals(self) -> Floats:
        """Return the number of pairs in each bootstrap round."""
        weights = self._drawn * self._counts
        return np.asarray((weights.sum(axis=1) ** 2 - (weights**2).sum(axis=1)) / 2)


@dataclass(frozen=True)
class WorstThreshold:
    """The threshold at which no measured group exceeds a false accept rate.

    far : the rate
    threshold : squared distance, with its interval
    group : the worst group, which determines the threshold
    groups : number of groups with enough pairs for the rate
    samples : the threshold of each bootstrap round
    """

    far: float
    threshold: Interval
    group: str
    groups: int
    samples: Floats


def worst_thresholds(groups: Mapping[str, Strangers], fars: Sequence[float]) -> tuple[WorstThreshold, ...]:
    """Find the threshold of the worst group for each rate.

    Rates for which no group has enough pairs are left out.

    Parameters
    ----------
    groups : mapping of str to Strangers
        All with the same number of rounds.
    fars : sequence of float
        Descending.
    """
    if not groups:
        return ()
    names = list(groups)
    measured = [group.thresholds(fars) for group in groups.values()]
    values = np.array([found for found, _ in measured])
    samples = np.array([drawn for _, drawn in measured])
    found: list[WorstThreshold] = []
    for at, far in enumerate(fars):
        known = np.isfinite(values[:, at])
        if not known.any():
            continue
        drawn = samples[known, :, at]
        # Ignore groups that have no pair in a round.
        drawn = np.where(
            np.isfinite(drawn).any(axis=0), np.nanmin(np.where(np.isfinite(drawn), drawn, np.inf), axis=0), np.nan
        )
        worst = int(np.nanargmin(values[:, at]))
        value, name = float(values[worst, at]), names[worst]
        if found and found[-1].threshold.value < value:
            # A group too small for this rate determined the threshold of the next larger rate.
            value, name = found[-1].threshold.value, found[-1].group
            drawn = np.minimum(drawn, found[-1].samples)
        spread = interval(value, drawn)
        spread = Interval(value, min(spread.low, value), max(spread.high, value))
        found.append(WorstThreshold(far, spread, name, int(known.sum()), drawn))
    return tuple(found)


def val_at_drawn(genuine: ScoredPairs, threshold: float, samples: Floats, seed: int = 0) -> Interval:
    """Compute VAL at a threshold that was itself measured.

    The interval includes the uncertainty of the threshold: each bootstrap round over people uses another sample of it.

    Parameters
    ----------
    genuine : ScoredPairs
        Same-person pairs.
    threshold : float
    samples : float64, shape (rounds,)
        Bootstrap samples of the threshold.
    seed : int
    """
    value = float(np.mean(genuine.distances <= threshold))
    found = []
    for drawn, cut in zip(draws(genuine.people, len(samples), seed), samples, strict=True):
        weights = drawn[genuine.first]
        if weights.any() and np.isfinite(cut):
            found.append(float(weights @ (genuine.distances <= cut) / weights.sum()))
    spread = interval(value, found)
    return Interval(value, min(spread.low, value), max(spread.high, value)) if found else spread
