"""Verification with a threshold on the distance (paper section 4.1).

Two faces are accepted as the same person if their squared distance is at most the threshold d:

    VAL(d) = fraction of same-person pairs with distance <= d    (equation 6, the validation rate)
    FAR(d) = fraction of different-person pairs with distance <= d    (the false accept rate)
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class OperatingPoint:
    """VAL and FAR of a threshold on a set of pairs."""

    threshold: float
    val: float
    far: float


def as_distances(distances: ArrayLike, name: str) -> NDArray[np.float64]:
    """Convert distances to a flat float64 array; ValueError if it is empty or a value is not finite."""
    array = np.asarray(distances, dtype=np.float64).ravel()
    if array.size == 0:
        raise ValueError(f"there are no {name} pairs to measure")
    if not np.isfinite(array).all():
        raise ValueError(f"a {name} distance is NaN or infinite; look for bad embeddings")
    return array


def val_far(genuine: ArrayLike, impostor: ArrayLike, threshold: float) -> OperatingPoint:
    """VAL and FAR of one threshold.

    Parameters
    ----------
    genuine : array-like, shape (g,)
        Squared distances of same-person pairs.
    impostor : array-like, shape (i,)
        Squared distances of different-person pairs.
    threshold : float
        Squared distance up to which (inclusive) two faces are accepted as the same person.
    """
    genuine, impostor = as_distances(genuine, "genuine"), as_distances(impostor, "impostor")
    return OperatingPoint(float(threshold), float(np.mean(genuine <= threshold)), float(np.mean(impostor <= threshold)))


def threshold_at(far: float, impostor: ArrayLike) -> float:
    """Largest threshold whose false accept rate on these pairs is at most `far`.

    The result is exact. Ties are handled conservatively: if accepting one of several equal distances would exceed
    `far`, none of them is accepted.

    Parameters
    ----------
    far : float
        0 <= far < 1.
    impostor : array-like, shape (i,)
        Squared distances of different-person pairs; at least 1 / far of them.

    Returns
    -------
    float
        The largest float64 below the first distance that must be rejected.

    Raises
    ------
    ValueError
        `far` is out of range, or there are too few pairs to measure it.
    """
    impostor = as_distances(impostor, "impostor")
    if not 0 <= far < 1:
        raise ValueError(f"far must be at least 0 and below 1, not {far}")
    if far * impostor.size < 1 - 1e-9 and far > 0:
        raise ValueError(
            f"a false accept rate of {far:g} cannot be measured on {impostor.size} impostor pairs: "
            f"it needs at least {np.ceil(1 / far):,.0f}"
        )
    # 0.29 * 100 is 28.999...: without the tolerance, rounding would lose one pair of an exact rate.
    allowed = int(np.floor(far * impostor.size + 1e-9))
    first_refused = np.partition(impostor, allowed)[allowed]
    return float(np.nextafter(first_refused, -np.inf))


def rejection_at(frr: float, genuine: ArrayLike) -> float:
    """Smallest squared distance beyond which at most a fraction `frr` of same-person pairs lie.

    The result is exact. Of equal distances, none lies beyond itself.

    Parameters
    ----------
    frr : float
        0 < frr < 1, the false reject rate.
    genuine : array-like, shape (g,)
        Squared distances of same-person pairs; at least 1 / frr of them.

    Raises
    ------
    ValueError
        `frr` is out of range, or there are too few pairs to measure it.
    """
    genuine = as_distances(genuine, "genuine")
    if not 0 < frr < 1:
        raise ValueError(f"frr must be above 0 and below 1, not {frr}")
    if frr * genuine.size < 1 - 1e-9:
        raise ValueError(
            f"a false reject rate of {frr:g} cannot be measured on {genuine.size} genuine pairs: "
            f"it needs at least {np.ceil(1 / frr):,.0f}"
        )
    last = genuine.size - 1 - int(np.floor(frr * genuine.size + 1e-9))
    return float(np.partition(genuine, last)[last])
