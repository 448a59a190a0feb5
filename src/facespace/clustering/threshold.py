"""The cut that suits a collection: stricter where true pairs are rarer, or strangers more alike, than on the card.

Of all pairs of n faces the same-person share falls as n grows, so a cut found on a thousand faces joins strangers
among a million. The card says how fast the false accept rate falls with the distance; the cut here is where false
and true pairs stand in the same proportion as at the card's cut on the card's people, and nearer to the card's where
groups are of many faces, whose mean distance tells more than that of a pair. How much more often this
collection's strangers are near is read off its own pairs, nearly all of which are strangers.
docs/decisions/041-cut-by-collection.md has the measurements.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facespace.clustering.linkage import Merges
from facespace.errors import ModelError
from facespace.metric import Calibration, squared_distance_blocks
from facespace.model import DecisionsCard

Floats = NDArray[np.float64]

# A face counts at most so many others of the same person: a few people with hundreds of photos make most of the pairs
# of an archive, and say nothing about the rest.
PARTNERS = 10

# The card's false accept rate at whose threshold the collection's pairs are counted, and how many points are looked at.
_COUNTED = 0.01
_ROWS, _COLUMNS = 1_500, 30_000

# Groups of more faces than so many on average need a cut that moves less, in proportion: the mean distance of many
# pairs separates people better than that of one, which the card's rates are of. Chosen on train people.
_ALMOST_SINGLE = 1.6

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
        """The cut a model's card gives.

        Raises
        ------
        ModelError
            The card's cut is one of complete linkage, which says nothing about average linkage.
        """
        if decisions.clustering.linkage != "average":
            raise ModelError(
                f"the card says where to cut {decisions.clustering.linkage} linkage, and faces are grouped by average "
                "linkage: measure the cut again (facespace evaluate MODEL --images FOLDER --write-card), or give a "
                "threshold"
            )
        return cls(
            decisions.clustering.threshold,
            decisions.genuine_pairs / decisions.impostor_pairs,
            tuple((entry.threshold, entry.far) for entry in decisions.thresholds),
            decisions.calibration.slope,
        )

    def of_sizes(self, sizes: Floats, near: float | None = None) -> float:
        """The cut for a collection whose groups have these sizes.

        Parameters
        ----------
        sizes : float64, shape (groups,)
        near : float or None
            The share of all pairs that `near_share` found; the collection's people are taken to be as alike as the
            card's where None.
        """
        count = float(sizes.sum())
        pairs = count * (count - 1) / 2
        if self.odds is None or len(self.false_accepts) < 2 or pairs < 1:
            return self.threshold
        partners = np.minimum(sizes - 1, PARTNERS)
        together = max(float((sizes * partners / 2).sum()), LEAST_PAIRED * count, 1.0)
        rarer = math.log(self.odds) - math.log(together / max(pairs - together, 1.0))
        rarer *= min(1.0, _ALMOST_SINGLE * len(sizes) / count)
        if near is not None:
            of_one = float((sizes * (sizes - 1) / 2).sum())
            strangers = (near * pairs - of_one) / max(pairs - of_one, 1.0)
            rarer += math.log(max(1.0, strangers / self._wide[1]))
        return min(self.threshold, _tightened(self.threshold, rarer, _log_far(self.false_accepts)))

    def of(self, merges: Merges, points: NDArray[np.float32]) -> float:
        """The cut for a collection of these points that gave these merges, grown up to at least `threshold`.

        Where the share of pairs that this very cut puts together, taken for the true one, agrees with the cut.
        """
        cut = self.threshold
        if self.odds is None or len(self.false_accepts) < 2:
            return cut
        near = self.near_share(points)
        for _ in range(_ROUNDS):
            wanted = self.of_sizes(np.bincount(merges.cut(cut)).astype(np.float64), near)
            if abs(wanted - cut) < _PRECISION * self.threshold:
                break
            # Half steps: a stricter cut finds fewer pairs, which asks for a stricter one still.
            cut += (wanted - cut) / 2
        return cut

    def near_share(self, points: NDArray[np.float32]) -> float:
        """The share of the pairs of a collection that are as near as few of the card's strangers are.

        Most of these pairs are strangers: there are so many more. From at most `_ROWS` points to at most `_COLUMNS`.
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
        """The card's threshold and rate nearest to one in a hundred: wide enough for pairs to be counted."""
        return min(self.false_accepts, key=lambda entry: abs(math.log(entry[1] / _COUNTED)))

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
