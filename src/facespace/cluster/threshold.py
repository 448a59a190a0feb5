"""The cut that suits a collection: stricter where true pairs are rarer than among the people it was found on.

Of all pairs of n faces the same-person share falls as n grows, so a cut found on a thousand faces joins strangers
among a million. The card says how fast the false accept rate falls with the distance; the cut here is where false
and true pairs stand in the same proportion as at the card's cut on the card's people.
docs/decisions/041-cut-by-collection.md has the measurements.
"""

import math
from collections.abc import Sequence

import numpy as np

from facespace.cluster.linkage import Merges

# The least share of faces taken to have a partner, so that a collection of strangers does not run to a cut of 0.
LEAST_PAIRED = 0.05

_ROUNDS = 60
_PRECISION = 1e-4


def adapted_threshold(
    merges: Merges, threshold: float, odds: float, false_accepts: Sequence[tuple[float, float]]
) -> float:
    """The cut for this collection, never looser than the card's.

    Parameters
    ----------
    merges : Merges
        Grown up to at least `threshold`.
    threshold : float
        The cut found on the card's people.
    odds : float
        Same-person pairs for each different-person pair among them.
    false_accepts : sequence of (threshold, false accept rate)
        At least two.

    Returns
    -------
    float
        Where the share of pairs that this very cut puts together, taken for the true one, agrees with the cut.
    """
    slope = _log_far(false_accepts)
    pairs = merges.count * (merges.count - 1) / 2
    if pairs < 1:
        return threshold
    cut = threshold
    for _ in range(_ROUNDS):
        sizes = np.bincount(merges.cut(cut)).astype(np.float64)
        together = max(float((sizes * (sizes - 1) / 2).sum()), LEAST_PAIRED * merges.count, 1.0)
        rarer = math.log(odds) - math.log(together / max(pairs - together, 1.0))
        wanted = min(threshold, _tightened(threshold, rarer, slope))
        if abs(wanted - cut) < _PRECISION:
            break
        # Half steps: a stricter cut finds fewer pairs, which asks for a stricter one still.
        cut += (wanted - cut) / 2
    return cut


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
