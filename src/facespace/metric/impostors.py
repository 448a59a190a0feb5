"""How close strangers come to a person in a gallery: the false accept rate at any distance, and its inverse.

The threshold for one pair is too loose for a gallery: among N people a stranger has N chances to match somebody. With
FAR the false accept rate of one comparison, the false positive identification rate of the whole search is

    FPIR(N) <= N * FAR

whatever the dependence between the comparisons (Boole's inequality), and close to it while it is small. So the open-set
threshold for N people at a chosen FPIR is the threshold of one comparison at FAR = FPIR / N.

All faces have something in common, and averaging emphasises it: the more photos a template averages, the nearer it is
to everybody. The rate is therefore measured for templates of one, two and four photos; between and beyond these, the
threshold is linear in 1 / photos, like the variance of a mean.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

# The curves are extrapolated to this fraction of the smallest measured rate.
_BEYOND = 1e-6


@dataclass(frozen=True)
class Impostors:
    """Distances between strangers and templates, by false accept rate.

    Between the measured rates, the threshold is linear in log FAR. Below the smallest rate it is extrapolated with the
    slope of the last factor of ten, which is conservative: measured curves fall faster.

    fars : decreasing
    photos : increasing; the numbers of photos per template that were measured, the first being 1
    thresholds : one tuple for each of `photos`: the squared distance at each of `fars`, or at the first of them if
        there were too few pairs for the others
    """

    fars: tuple[float, ...]
    photos: tuple[int, ...]
    thresholds: tuple[tuple[float, ...], ...]

    @property
    def covers_templates(self) -> bool:
        """Whether templates of several photos were measured, not only single photos."""
        return len(self.photos) > 1

    def threshold(self, far: float, photos: ArrayLike = 1) -> Floats:
        """Squared distance within which a fraction `far` of strangers lie from a template.

        Parameters
        ----------
        far : float
            0 < far <= 1.
        photos : int array-like, any shape
            Number of photos that each template averages.

        Returns
        -------
        ndarray of float64, shape of `photos`, between 0 and 4
        """
        if not 0 < far <= 1:
            raise ValueError(f"far must be above 0 and at most 1, not {far}")
        counts = np.asarray(photos)
        result = np.empty(counts.shape)
        for count in np.unique(counts):
            result[counts == count] = np.interp(np.log(far), self._log_fars, self._curve(int(count)))
        return np.clip(result, 0, 4)

    def far(self, distances: ArrayLike) -> Floats:
        """Fraction of strangers within a distance of a single photo: the inverse of `threshold`.

        Parameters
        ----------
        distances : array-like, any shape
            Squared.

        Returns
        -------
        ndarray of float64, above 0 and at most 1
        """
        return np.asarray(np.exp(np.interp(np.asarray(distances, np.float64), self._curve(1), self._log_fars)))

    def as_single(self, distances: ArrayLike, photos: ArrayLike) -> Floats:
        """Convert distances to templates into distances to single photos that equally many strangers reach.

        This makes templates of few and of many photos comparable. The order is kept among templates of the same number
        of photos: below the smallest measured distance, where the curves would end at 0, the result is proportional to
        the distance.

        Parameters
        ----------
        distances : array-like, any shape
            Squared, not negative.
        photos : int array-like, of a shape that broadcasts to that of `distances`

        Returns
        -------
        ndarray of float64, shape of `distances`, not negative
        """
        given, counts = np.broadcast_arrays(np.asarray(distances, np.float64), np.asarray(photos))
        result = np.empty(given.shape)
        for count in np.unique(counts):
            here = counts == count
            result[here] = self._as_single(given[here], self._curve(int(count)))
        return result

    def comparable(self, distances: Floats, photos: NDArray[np.int64], lengths: Floats) -> Floats:
        """Make distances to templates of few and of many photos comparable with each other.

        These are the distances of `as_single` if templates were measured. A card with single photos only gives the
        mean distance to the photos of the template, 2 - (2 - distance) * length: strangers come no nearer to that than
        to a single photo.

        Parameters
        ----------
        distances : float64, shape (..., m)
            Squared.
        photos : int64, shape (m,)
            Number of photos that each template averages.
        lengths : float64, shape (m,)
            L2 norm of that mean before it was normalised.

        Returns
        -------
        float64, shape (..., m)
        """
        if self.covers_templates:
            return self.as_single(distances, photos)
        return np.clip(2 - (2 - distances) * lengths, 0, 4)

    def _as_single(self, distances: Floats, curve: Floats) -> Floats:
        single = self._curve(1)
        found = np.interp(distances, curve, single)
        if curve[0] > 0:
            before = distances < curve[0]
            found[before] = single[0] * distances[before] / curve[0]
        beyond = distances > curve[-1]
        found[beyond] = single[-1] + distances[beyond] - curve[-1]
        # The second point of a curve is the smallest measured rate.
        low = 1 + int(np.argmax(np.minimum(single, curve)[1:] > 0))
        near = distances < curve[low]
        found[near] = np.maximum(found[near], distances[near] * (single[low] / curve[low]))
        return found

    def _curve(self, photos: int) -> Floats:
        """Thresholds at `_log_fars` for templates of this many photos: linear in 1 / photos."""
        curves = self._curves
        if len(curves) == 1:
            return curves[0]
        inverse = 1 / np.array(self.photos, np.float64)
        # The measured numbers on either side; beyond the last, the last two.
        right = int(np.clip(np.searchsorted(self.photos, photos), 1, len(curves) - 1))
        share = (1 / photos - inverse[right - 1]) / (inverse[right] - inverse[right - 1])
        return curves[right - 1] + share * (curves[right] - curves[right - 1])

    @cached_property
    def _log_fars(self) -> Floats:
        return np.log(np.array([self.fars[-1] * _BEYOND, *self.fars[::-1], 1.0]))

    @cached_property
    def _curves(self) -> Floats:
        """Thresholds at `_log_fars`, increasing, one row for each of `photos`."""
        x = self._log_fars
        curves = np.empty((len(self.photos), len(x)))
        for curve, row in zip(curves, self.thresholds, strict=True):
            known = np.array(row[::-1])
            own = x[-1 - len(row) : -1]
            back = max(1, int(np.searchsorted(own, own[0] + np.log(10) - 1e-9)))
            low = (
                0.0
                if len(row) == 1
                else (known[min(back, len(row) - 1)] - known[0]) / (own[min(back, len(row) - 1)] - own[0])
            )
            high = 0.0 if len(row) == 1 else (known[-1] - known[-2]) / (own[-1] - own[-2])
            curve[:] = np.interp(x, own, known)
            curve[x < own[0]] = known[0] + low * (x[x < own[0]] - own[0])
            curve[x > own[-1]] = known[-1] + high * (x[x > own[-1]] - own[-1])
        # The inverse needs strictly increasing thresholds.
        return np.maximum.accumulate(curves, axis=1) + 1e-9 * np.arange(len(x))
