"""Open-set threshold for a gallery whose people may look more alike than those that the card was measured on.

A card says how close strangers come on average over its people. How close they come to each other differs between
groups of people by more than a factor of ten, so strangers match in a gallery of one group far more often than the
average says. The gallery's own people show this: each is a stranger to all others. Let m be the squared distance from
a person's face to the nearest other person among N, and FAR the card's false accept rate. Then

    y = log(N FAR(m))

would be the logarithm of a standard exponential variable if the gallery's people were like the card's and their
comparisons independent. For any people, the lower tail of y gives the value at which the wanted fraction of strangers
is mistaken for somebody. With few people the tail does not reach that far; it is then extrapolated as a power law,
whose index is Hill's estimate shrunk towards the card's. Since the result must be a bound, uncertain quantities are
taken at their upper 90 % limit, and the threshold is never looser than the card's own.

A person enrolled twice under two names is not a stranger to themselves. Two people who are near enough to be mistaken
for each other, and far nearer than anybody else, are treated as such duplicates and do not count as strangers: the
chance that the nearest of N strangers is nearer than the second by a factor f of rates is 1 / f, however alike the
people of the gallery are.

References
----------
Hill, A simple general approach to inference about the tail of a distribution, 1975.
"""

import math

import numpy as np
from numpy.typing import NDArray

from facespace.metric.impostors import Impostors

# Quantile of the standard normal distribution: one-sided 90 %.
_UPPER = 1.28

# The fraction of the distances, from below, that the tail is estimated from, and the minimum number of them.
_TAIL, _MIN_TAIL = 0.2, 10
# With few people most of them are in the tail, but not the farthest.
_MAX_TAIL = 0.8

# Prior for 1 / index of the tail, and its weight in distances: estimated on people of train and val.
_INVERSE_INDEX, _WORTH = 1.1, 30

# How much more often strangers match than the card says, assumed if a gallery has too few people to show it.
_UNKNOWN_PEOPLE = 3.0

# The rate is lowered by at most this factor: some people may be enrolled under two names and are not strangers.
_STRICTEST = 1_000.0

# Duplicates are nearer than anybody else by at least this factor of rates times the number of people examined. Real
# strangers are mistaken for duplicates in one of this many galleries.
_DUPLICATE = 20.0

# A person may be enrolled this many times and still be recognised as a duplicate.
DUPLICATES = 4


def open_set_far(
    fpir: float, people: int, impostors: Impostors, nearest: NDArray[np.float64], among: int | None = None
) -> float:
    """False accept rate, on the card's scale, at the distance within which a gallery accepts a face.

    Parameters
    ----------
    fpir : float
        Largest fraction of strangers that may be mistaken for somebody; 0 < fpir < 1.
    people : int
        Number of people in the gallery, N.
    impostors : Impostors
        From the card.
    nearest : float64, shape (n,) or (n, k)
        Squared distances (converted to single photos) from faces of n of the people, one face each, to the nearest
        other person, or to the k nearest, increasing, inf where there are fewer. With several, duplicates do not count.
    among : int or None
        How many people the nearest were searched among; None means all. A stranger meets at most people / among times
        as many near ones (Boole's inequality).

    Returns
    -------
    float
        Above 0, at most fpir / people.
    """
    everybody = max(people, 1)
    if nearest.ndim == 2:
        nearest = _nearest_strangers(nearest, fpir / everybody, impostors)
    if len(nearest) < 2:
        return fpir / everybody / _UNKNOWN_PEOPLE
    looked_at = min(among or everybody, everybody)
    y = np.sort(np.log(looked_at * impostors.far(nearest)))
    count = len(y)
    reached = max(1, min(max(math.ceil(_TAIL * count), _MIN_TAIL), int(_MAX_TAIL * count)))
    top = float(y[reached - 1])
    # A person enrolled twice must not dominate the tail.
    beyond = np.minimum(top - y[: reached - 1], math.log(_STRICTEST))
    spread = float(beyond.mean()) if reached > 1 else _INVERSE_INDEX
    inverse = (reached * spread + _WORTH * _INVERSE_INDEX) / (reached + _WORTH)
    inverse *= 1 + _UPPER / math.sqrt(reached + _WORTH)
    wanted = fpir * looked_at / everybody
    further = max(0.0, math.log(_upper_share(reached, count) / wanted))
    far = math.exp(top - further * inverse) / looked_at
    return min(max(far, fpir / everybody / _STRICTEST), fpir / everybody)


def _nearest_strangers(nearest: NDArray[np.float64], far: float, impostors: Impostors) -> NDArray[np.float64]:
    """Nearest other person of each face, skipping duplicates; faces that have only duplicates are dropped.

    Parameters
    ----------
    nearest : float64, shape (n, k), rising, inf where there are fewer
    far : float
        Rate at which two people are near enough to be mistaken for each other.
    impostors : Impostors
    """
    rates = impostors.far(nearest)
    strangers = nearest[:, 0].copy()
    for place in range(1, nearest.shape[1]):
        before, behind = rates[:, place - 1], rates[:, place]
        duplicates = (before <= far) & (before * _DUPLICATE * len(nearest) < behind)
        strangers[duplicates] = nearest[duplicates, place]
    return strangers[np.isfinite(strangers)]


def _upper_share(hits: int, of: int) -> float:
    """Upper end of Wilson's confidence interval for a proportion."""
    share, square = hits / of, _UPPER**2 / of
    return (share + square / 2 + _UPPER * math.sqrt(share * (1 - share) / of + square / (4 * of))) / (1 + square)
