"""Calibration of probabilities: of the pairs with a predicted probability p, a share p should be genuine."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

BINS = 10


@dataclass(frozen=True)
class Reliability:
    """Predicted probabilities and observed shares, with equal total weight of genuine and impostor pairs.

    predicted : float64, shape (b,), mean predicted probability of each non-empty bin
    observed : float64, shape (b,), observed share of same-person pairs in the bin
    weight : float64, shape (b,), share of the total weight in the bin; sums to 1
    error : expected calibration error, the weighted mean of |predicted - observed|
    brier : Brier score, the mean squared difference between probability and truth
    """

    predicted: NDArray[np.float64]
    observed: NDArray[np.float64]
    weight: NDArray[np.float64]
    error: float
    brier: float


def reliability(probability: ArrayLike, same: ArrayLike, bins: int = BINS) -> Reliability:
    """Compare probabilities of 'same person' with the truth, in bins of equal width.

    Parameters
    ----------
    probability : array-like, shape (p,), between 0 and 1
        For even prior odds.
    same : bool array-like, shape (p,)
        With at least one pair of each kind.
    bins : int

    Raises
    ------
    ValueError
        There are only genuine or only impostor pairs.

    References
    ----------
    Naeini, Cooper, Hauskrecht, Obtaining well calibrated probabilities using Bayesian binning, 2015 (the error).
    """
    p, truth = np.asarray(probability, np.float64), np.asarray(same, bool)
    if not truth.any() or truth.all():
        raise ValueError("reliability needs same-person and different-person pairs")
    weights = np.where(truth, 0.5 / truth.sum(), 0.5 / (~truth).sum())
    where = np.minimum((p * bins).astype(np.int64), bins - 1)
    weight = np.bincount(where, weights, bins).astype(np.float64)
    held = weight > 0
    predicted = np.bincount(where, weights * p, bins)[held] / weight[held]
    observed = np.bincount(where, weights * truth, bins)[held] / weight[held]
    return Reliability(
        predicted=predicted,
        observed=observed,
        weight=weight[held],
        error=float(weight[held] @ np.abs(predicted - observed)),
        brier=float(weights @ (p - truth) ** 2),
    )
