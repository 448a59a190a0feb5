"""The exact ROC curve of verification, with one point per distinct distance."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Roc:
    """VAL against FAR (paper section 4.1) at every threshold that changes either.

    threshold : float64, shape (t,), ascending; the first one accepts no pair
    far, val : float64, shape (t,), shares of impostor and of genuine pairs at or below the threshold
    """

    threshold: NDArray[np.float64]
    far: NDArray[np.float64]
    val: NDArray[np.float64]

    @property
    def auc(self) -> float:
        """Area under the curve: the probability that a genuine pair is closer than an impostor pair."""
        return float(np.trapezoid(self.val, self.far))

    @property
    def equal_error_rate(self) -> float:
        """The rate where FAR and 1 - VAL are equal, interpolated between the two nearest points."""
        gap = self.far - (1 - self.val)
        after = int(np.argmax(gap >= 0))
        if after == 0:
            return float(self.far[0])
        share = -gap[after - 1] / (gap[after] - gap[after - 1])
        return float(self.far[after - 1] + share * (self.far[after] - self.far[after - 1]))

    def val_at(self, far: float) -> float:
        """Return the largest VAL with a FAR of at most `far`."""
        return float(self.val[self._at(far)])

    def threshold_at(self, far: float) -> float:
        """Return the largest occurring distance that, as a threshold, has a FAR of at most `far`."""
        return float(self.threshold[self._at(far)])

    def _at(self, far: float) -> int:
        return int(np.searchsorted(self.far, far * (1 + 1e-9), side="right")) - 1


def roc(genuine: ArrayLike, impostor: ArrayLike) -> Roc:
    """Compute the exact ROC of two sets of squared distances; equal distances form one step."""
    near, far = np.asarray(genuine, np.float64), np.asarray(impostor, np.float64)
    return weighted_roc(np.concatenate([near, far]), np.arange(near.size + far.size) < near.size)


def weighted_roc(distances: ArrayLike, same: ArrayLike, weights: ArrayLike | None = None) -> Roc:
    """Compute the exact ROC of weighted pairs.

    Parameters
    ----------
    distances : array-like, shape (p,)
    same : bool array-like, shape (p,)
    weights : array-like, shape (p,), or None
        Weight of each pair; None for equal weights.
    """
    distances, same = np.asarray(distances, np.float64), np.asarray(same, bool)
    counts = np.ones(len(distances)) if weights is None else np.asarray(weights, np.float64)
    order = np.argsort(distances, kind="stable")
    steps = distances[order]
    last = np.flatnonzero(np.append(steps[1:] > steps[:-1], True))
    val = np.cumsum((counts * same)[order])[last]
    far = np.cumsum((counts * ~same)[order])[last]
    return Roc(
        threshold=np.concatenate([[-np.inf], steps[last]]),
        far=np.concatenate([[0.0], far / far[-1]]),
        val=np.concatenate([[0.0], val / val[-1]]),
    )


def accuracy(genuine: ArrayLike, impostor: ArrayLike, threshold: float) -> float:
    """Compute the share of correct decisions, with equal weight for genuine and impostor pairs as in LFW's protocol.

    Parameters
    ----------
    genuine, impostor : array-like
        Squared distances.
    threshold : float
        Pairs at or below it are accepted.
    """
    accepted = np.mean(np.asarray(genuine) <= threshold)
    refused = np.mean(np.asarray(impostor) > threshold)
    return float((accepted + refused) / 2)


def best_threshold(genuine: ArrayLike, impostor: ArrayLike) -> float:
    """Return the threshold with the highest `accuracy` (the lowest of equal ones), halfway to the next distance."""
    return most_accurate(roc(genuine, impostor))


def most_accurate(curve: Roc) -> float:
    """Return `best_threshold` of a curve."""
    best = int(np.argmax(curve.val - curve.far))
    here = curve.threshold[best]
    # Pairs with a missing face are at infinity and must not be accepted.
    if best + 1 == len(curve.threshold) or not np.isfinite([here, curve.threshold[best + 1]]).all():
        return float(here)
    return float((here + curve.threshold[best + 1]) / 2)
