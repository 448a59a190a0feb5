"""The ROC of verification, exact: one point for every distance that occurs."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Roc:
    """VAL against FAR (paper section 4.1) at every threshold that changes either.

    threshold : float64, shape (t,), ascending; the first accepts nobody
    far, val : float64, shape (t,), shares of impostor and of genuine pairs at or under the threshold
    """

    threshold: NDArray[np.float64]
    far: NDArray[np.float64]
    val: NDArray[np.float64]

    @property
    def auc(self) -> float:
        """Area under VAL over FAR: the chance that a genuine pair is nearer than an impostor pair."""
        return float(np.trapezoid(self.val, self.far))

    @property
    def equal_error_rate(self) -> float:
        """Where FAR and 1 - VAL are equal, between the two nearest points."""
        gap = self.far - (1 - self.val)
        after = int(np.argmax(gap >= 0))
        if after == 0:
            return float(self.far[0])
        share = -gap[after - 1] / (gap[after] - gap[after - 1])
        return float(self.far[after - 1] + share * (self.far[after] - self.far[after - 1]))

    def val_at(self, far: float) -> float:
        """The largest VAL at which at most `far` of the impostor pairs are accepted."""
        return float(self.val[self._at(far)])

    def threshold_at(self, far: float) -> float:
        """The largest distance that occurs up to which at most `far` of the impostor pairs are accepted."""
        return float(self.threshold[self._at(far)])

    def _at(self, far: float) -> int:
        return int(np.searchsorted(self.far, far * (1 + 1e-9), side="right")) - 1


def roc(genuine: ArrayLike, impostor: ArrayLike) -> Roc:
    """The exact ROC of two sets of squared distances; equal distances are one step."""
    near, far = np.asarray(genuine, np.float64), np.asarray(impostor, np.float64)
    return weighted_roc(np.concatenate([near, far]), np.arange(near.size + far.size) < near.size)


def weighted_roc(distances: ArrayLike, same: ArrayLike, weights: ArrayLike | None = None) -> Roc:
    """The exact ROC of pairs that may count more or less than once.

    Parameters
    ----------
    distances : array-like, shape (p,)
    same : bool array-like, shape (p,)
    weights : array-like, shape (p,), or None
        How often each pair counts; once where None.
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
    """Share of right decisions where genuine and impostor pairs are equally many, as in LFW's protocol.

    Parameters
    ----------
    genuine, impostor : array-like
        Squared distances.
    threshold : float
        Up to which (inclusive) a pair is accepted.
    """
    accepted = np.mean(np.asarray(genuine) <= threshold)
    refused = np.mean(np.asarray(impostor) > threshold)
    return float((accepted + refused) / 2)


def best_threshold(genuine: ArrayLike, impostor: ArrayLike) -> float:
    """The threshold of highest `accuracy`, halfway to the next distance; the lowest of equally good ones."""
    return most_accurate(roc(genuine, impostor))


def most_accurate(curve: Roc) -> float:
    """As `best_threshold`, from the curve."""
    best = int(np.argmax(curve.val - curve.far))
    here = curve.threshold[best]
    # Pairs of faces that could not be had lie at infinity, where nobody is to be accepted.
    if best + 1 == len(curve.threshold) or not np.isfinite([here, curve.threshold[best + 1]]).all():
        return float(here)
    return float((here + curve.threshold[best + 1]) / 2)
