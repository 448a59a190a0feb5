"""Turn a distance into the probability that two faces are the same person.

The probability assumes even prior odds; `probability(..., prior=)` changes the prior by Bayes' rule.
docs/decisions/003-calibration.md explains why the curve is logistic rather than isotonic.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facespace.metric.threshold import as_distances


@dataclass(frozen=True)
class Calibration:
    """A logistic curve: log-odds of 'same person' = intercept + slope * squared distance."""

    slope: float
    intercept: float

    def probability(self, distances: ArrayLike, prior: float = 0.5) -> NDArray[np.float64]:
        """Probability that the faces at these squared distances are of one person.

        Parameters
        ----------
        distances : array-like, any shape
        prior : float
            Probability of 'same person' before the faces are compared; 0 < prior < 1.

        Returns
        -------
        ndarray of float64, same shape, decreasing with the distance
        """
        if not 0 < prior < 1:
            raise ValueError(f"prior must be between 0 and 1, not {prior}")
        log_odds = self.intercept + self.slope * np.asarray(distances, np.float64)
        return _sigmoid(log_odds + np.log(prior / (1 - prior)))


def fit_calibration(genuine: ArrayLike, impostor: ArrayLike) -> Calibration:
    """Fit a logistic calibration by maximum likelihood, with equal total weight for genuine and impostor pairs.

    Platt's smoothed targets keep the fit finite where the two sets do not overlap.

    Parameters
    ----------
    genuine, impostor : array-like, shape (g,), (i,)
        Squared distances of same-person and different-person pairs.

    Raises
    ------
    ValueError
        A set is empty, or genuine pairs are not nearer than impostor pairs.

    References
    ----------
    Platt, Probabilistic outputs for support vector machines, 1999.
    """
    genuine, impostor = as_distances(genuine, "genuine"), as_distances(impostor, "impostor")
    distances = np.concatenate([genuine, impostor])
    weights = np.repeat([0.5 / genuine.size, 0.5 / impostor.size], [genuine.size, impostor.size])
    targets = np.repeat(
        [(genuine.size + 1) / (genuine.size + 2), 1 / (impostor.size + 2)], [genuine.size, impostor.size]
    )
    centre, spread = distances.mean(), distances.std()
    if spread == 0:
        raise ValueError("all distances are equal: this space has collapsed and cannot be calibrated")
    inputs = np.stack([np.ones_like(distances), (distances - centre) / spread], axis=1)
    solution = _newton(inputs, targets, weights)
    slope = float(solution[1] / spread)
    if slope >= 0:
        raise ValueError("same-person pairs are not nearer than different-person pairs: nothing to calibrate")
    return Calibration(slope=slope, intercept=float(solution[0] - slope * centre))


def _newton(
    inputs: NDArray[np.float64], targets: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Weighted logistic regression by Newton's method; steps are halved until the loss falls, so it converges."""

    def loss(solution: NDArray[np.float64]) -> float:
        z = inputs @ solution
        return float(weights @ (np.logaddexp(0, z) - targets * z))

    solution = np.zeros(inputs.shape[1])
    current = loss(solution)
    for _ in range(100):
        p = _sigmoid(inputs @ solution)
        gradient = inputs.T @ (weights * (p - targets))
        hessian = (inputs * (weights * p * (1 - p))[:, None]).T @ inputs
        step = np.linalg.solve(hessian + 1e-12 * np.eye(len(solution)), gradient)
        while (after := loss(solution - step)) > current and np.abs(step).max() > 1e-12:
            step = step / 2
        solution = solution - step
        if current - after < 1e-14:
            break
        current = after
    return solution


def _sigmoid(z: NDArray[np.float64]) -> NDArray[np.float64]:
    e = np.exp(-np.abs(z))
    return np.where(z >= 0, 1 / (1 + e), e / (1 + e))
