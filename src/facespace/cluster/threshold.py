"""The cut that suits a collection: stricter where true pairs are rarer than among the people it was found on.

Of all pairs of n faces the same-person share falls as n grows, so a cut found on a thousand faces joins strangers
among a million. The card says how fast the false accept rate falls with the distance; the cut here is where false
and true pairs stand in the same proportion as at the card's cut on the card's people.
docs/decisions/041-cut-by-collection.md has the measurements.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facespace.cluster.linkage import Merges
from facespace.embed import DecisionsCard
from facespace.metric import Calibration

Floats = NDArray[np.float64]

# The least share of faces taken to have a partner, so that a collection of strangers does not run to a cut of 0.
LEAST_PAIRED = 0.05

_ROUNDS = 60
_PRECISION = 1e-4


@dataclass(frozen=True)
class Cut:
    """Where groups stop merging, and how that moves with the collection.

    threshold : squared distance; on a collection of other odds, the loosest there is
    odds : same-person pairs for each different-person pair among the people it was found on; None: it never moves
    false_accepts : (threshold, false accept rate) of the card, at least two where odds are given
    slope : of the card's log-odds of 'same person' with the squared distance, below 0; None where unknown
    """

    threshold: float
    odds: float | None = None
    false_accepts: tuple[tuple[float, float], ...] = ()
    slope: float | None = None

    @classmethod
    def of_card(cls, decisions: DecisionsCard) -> "Cut":
        """The cut a model's card gives."""
        return cls(
            decisions.clustering.threshold,
            decisions.genuine_pairs / decisions.impostor_pairs,
            tuple((entry.threshold, entry.far) for entry in decisions.thresholds),
            decisions.calibration.slope,
        )

    def of_sizes(self, sizes: Floats) -> float:
        """The cut for a collection whose groups have these sizes."""
        count = float(sizes.sum())
        pairs = count * (count - 1) / 2
        if self.odds is None or len(self.false_accepts) < 2 or pairs < 1:
            return self.threshold
        together = max(float((sizes * (sizes - 1) / 2).sum()), LEAST_PAIRED * count, 1.0)
        rarer = math.log(self.odds) - math.log(together / max(pairs - together, 1.0))
        return min(self.threshold, _tightened(self.threshold, rarer, _log_far(self.false_accepts)))

    def of(self, merges: Merges) -> float:
        """The cut for a collection that gave these merges, grown up to at least `threshold`.

        Where the share of pairs that this very cut puts together, taken for the true one, agrees with the cut.
        """
        cut = self.threshold
        for _ in range(_ROUNDS):
            wanted = self.of_sizes(np.bincount(merges.cut(cut)).astype(np.float64))
            if abs(wanted - cut) < _PRECISION * self.threshold:
                break
            # Half steps: a stricter cut finds fewer pairs, which asks for a stricter one still.
            cut += (wanted - cut) / 2
        return cut

    def probability(self, distances: ArrayLike, cut: float) -> Floats:
        """Probability of 'same person' in this collection at mean squared distances: even odds at its cut."""
        slope = -10 / max(self.threshold, 1e-6) if self.slope is None else self.slope
        return Calibration(slope=slope, intercept=-slope * cut).probability(distances)


def _log_far(false_accepts: Sequence[tuple[float, float]]) -> np.polynomial.Polynomial:
    """log FAR as a curve of the threshold: a parabola, as of a normal tail, where there are points for one."""
    distances, rates = np.array(sorted(false_accepts)).T
    degree = 2 if len(distances) > 2 else 1
    fitted = np.polynomial.Polynomial.fit(distances, np.log(rates), degree)
    if degree == 2 and fitted.deriv(2)(0.0) >= 0:
        # Not the shape of a tail: a straight line through the strictest two says less, but nothing absurd.
        fitted = np.polynomial.Polynomial.fit(distances[:2], np.log(rates[:2]), 1)
    return fitted


def _tightened(threshold: float, rarer: float, log_far: np.polynomial.Polynomial) -> float:
    """Where log FAR is lower by `rarer` than at the threshold; the curve is followed downwards."""
    distances = np.linspace(threshold, 0, 2001)
    fallen = log_far(threshold) - log_far(distances)
    reached = np.flatnonzero(fallen >= rarer)
    return float(distances[reached[0]]) if len(reached) else 0.0
