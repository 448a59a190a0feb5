"""The clustering threshold for a collection: stricter if true pairs are rarer, or people more alike, than on the card.

Among the pairs of n faces, the share of same-person pairs falls as n grows, so a cut found on a thousand faces would
join strangers among a million. The card says how fast the false accept rate falls with the distance. The cut is placed
where false and true pairs are in the same proportion as at the card's cut on the card's people; it stays nearer to the
card's if groups have many faces, because their mean distance is more informative than that of one pair. How often
strangers are near in this collection is measured on its own pairs, nearly all of which are strangers.
docs/decisions/041-cut-by-collection.md has the measurements.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facespace.clustering.linkage import Merges
from facespace.metric import Calibration, squared_distance_blocks

Floats = NDArray[np.float64]

# A face counts at most this many others of the same person: a few people with hundreds of photos have most of the pairs
# of an archive, and say nothing about the rest.
PARTNERS = 10

# Card's false accept rate at whose threshold the collection's pairs are counted, and how many points are used.
_COUNTED = 0.01
_ROWS, _COLUMNS = 1_500, 30_000

# Groups with more faces than this on average need a proportionally smaller change of the cut: the mean distance of many
# pairs separates people better than that of one, which the card's rates refer to. Chosen on train people.
_ALMOST_SINGLE = 1.6

# Minimum fraction of faces assumed to have a partner, so that a collection of strangers does not lead to a cut of 0.
MIN_PAIRED = 0.05

_ROUNDS = 60
_PRECISION = 1e-4


@dataclass(frozen=True)
class Cut:
    """Where groups stop merging, and how that depends on the collection.

    threshold : squared distance; the loosest cut, used for a collection like the card's
    odds : same-person pairs per different-person pair among the card's people; None keeps the cut fixed
    false_accepts : (threshold, false accept rate) of the card, at least two if odds are given
    slope : of the card's log-odds of 'same person' over the squared distance, below 0; None if unknown
    """

    threshold: float
    odds: float | None = None
    false_accepts: tuple[tuple[float, float], ...] = ()
    slope: float | None = None

    def of_sizes(self, sizes: Floats, near: float | None = None) -> float:
        """The cut for a collection whose groups have these sizes.

        Parameters
        ----------
        sizes : float64, shape (groups,)
        near : float or None
            Fraction of all pairs that `near_share` found; None assumes that the collection's people are as alike as
            the card's.
        """
        count = float(sizes.sum())
        pairs = count * (count - 1) / 2
        if self.odds is None or len(self.false_accepts) < 2 or pairs < 1:
            return self.threshold
        partners = np.minimum(sizes - 1, PARTNERS)
        together = max(float((sizes * partners / 2).sum()), MIN_PAIRED * count, 1.0)
        rarer = math.log(self.odds) - math.log(together / max(pairs - together, 1.0))
        rarer *= min(1.0, _ALMOST_SINGLE * len(sizes) / count)
        if near is not None:
            of_one = float((sizes * (sizes - 1) / 2).sum())
            strangers = (near * pairs - of_one) / max(pairs - of_one, 1.0)
            rarer += math.log(max(1.0, strangers / self._wide[1]))
        return min(self.threshold, _tightened(self.threshold, rarer, _log_far(self.false_accepts)))

    def of(self, merges: Merges, points: NDArray[np.float32]) -> float:
        """The cut for a collection of these points with these merges, which must reach at least `threshold`.

        It is the fixed point at which the fraction of pairs that the cut joins, taken as true pairs, yields the cut.
        """
        cut = self.threshold
        if self.odds is None or len(self.false_accepts) < 2:
            return cut
        near = self.near_share(points)
        for _ in range(_ROUNDS):
            wanted = self.of_sizes(np.bincount(merges.cut(cut)).astype(np.float64), near)
            if abs(wanted - cut) < _PRECISION * self.threshold:
                break
            # Damping: a stricter cut finds fewer pairs, which calls for a stricter cut still.
            cut += (wanted - cut) / 2
        return cut

    def near_share(self, points: NDArray[np.float32]) -> float:
        """Fraction of a collection's pairs within the distance at which few of the card's strangers are.

        Most of these pairs are strangers, who are far more numerous. Uses at most `_ROWS` x `_COLUMNS` points.
        """
        rng = np.random.default_rng(0)
        columns = points if len(points) <= _COLUMNS else points[rng.choice(len(points), _COLUMNS, replace=False)]
        rows = rng.permutation(len(columns))[:_ROWS]
        pairs = len(rows) * (len(columns) - 1)
        if pairs < 1:
            return 0.0
        found = sum(
            int(np.count_nonzero(block <= self._wide[0]))
            for _, block in squared_distance_blocks(columns[rows], columns)
        )
        return max(0, found - len(rows)) / pairs

    @property
    def _wide(self) -> tuple[float, float]:
        """The card's threshold and rate nearest to one in a hundred: frequent enough to count pairs."""
        return min(self.false_accepts, key=lambda entry: abs(math.log(entry[1] / _COUNTED)))

    def probability(self, distances: ArrayLike, cut: float) -> Floats:
        """Probability of 'same person' at mean squared distances in this collection; even odds at its cut."""
        slope = -10 / max(self.threshold, 1e-6) if self.slope is None else self.slope
        return Calibration(slope=slope, intercept=-slope * cut).probability(distances)


def _log_far(false_accepts: Sequence[tuple[float, float]]) -> np.polynomial.Polynomial:
    """log FAR as a function of the threshold: a parabola, as for a normal tail, if there are enough points."""
    distances, rates = np.array(sorted(false_accepts)).T
    degree = 2 if len(distances) > 2 else 1
    fitted = np.polynomial.Polynomial.fit(distances, np.log(rates), degree)
    if degree == 2 and fitted.deriv(2)(0.0) >= 0:
        # Not shaped like a tail: a line through the strictest two is less precise but never absurd.
        fitted = np.polynomial.Polynomial.fit(distances[:2], np.log(rates[:2]), 1)
    return fitted


def _tightened(threshold: float, rarer: float, log_far: np.polynomial.Polynomial) -> float:
    """The threshold at which log FAR is lower by `rarer`; the curve is followed downwards."""
    distances = np.linspace(threshold, 0, 2001)
    fallen = log_far(threshold) - log_far(distances)
    reached = np.flatnonzero(fallen >= rarer)
    return float(distances[reached[0]]) if len(reached) else 0.0
