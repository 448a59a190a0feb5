"""The open-set threshold of a gallery whose people may be more alike than those that the card was measured on.

A card tells how near strangers come on average over its people. How near they come to each other differs between
groups of people by more than a factor of ten, so a gallery of one group is entered far more often than the average
says. But its own people tell: each is a stranger to all others. With m the squared distance from somebody's face to
the nearest other person among N, and FAR the card's false accept rate,

    y = log(N FAR(m))

would be the logarithm of a standard exponential variable if the gallery's people were as the card's and their
comparisons independent. Of any people, the lower tail of y tells at which value a share of strangers as small as the
wanted one is taken for somebody. Few people do not reach so far down; the tail is then followed as a power law, whose
index is Hill's estimate held towards the card's. What is uncertain is taken at its upper 90 % limit, as the result is
to be a bound; and the threshold is never looser than the card's own.

Somebody who is enrolled twice, under two names, is no stranger to themselves. Two people who are near enough to be
taken for each other, and far nearer than anybody else, are taken for such duplicates and do not count as strangers:
for the nearest of N strangers to be nearer than the second by a factor f of rates has a chance of 1 / f, however
alike the people of the gallery are.

References
----------
Hill, A simple general approach to inference about the tail of a distribution, 1975.
"""

import math

import numpy as np
from numpy.typing import NDArray

from facespace.metric.impostors import Impostors

# Of a standard normal: one-sided 90 %.
_UPPER = 1.28

# The lower share of the distances that the tail is read from, and at least so many of them.
_TAIL, _LEAST = 0.2, 10
# With few people most of them are 'tail', but not the farthest.
_MOST = 0.8

# 1 / index of the tail where nothing is known, and what that is worth in distances: found on train and val people.
_INVERSE_INDEX, _WORTH = 1.1, 30

# How much more often strangers come near than the card says, where a gallery's own people cannot tell.
_UNKNOWN_PEOPLE = 3.0

# No tighter than this many times: some people may be enrolled under two names, and are no strangers.
_STRICTEST = 1_000.0

# Duplicates are at least this many times the number of people looked at nearer than anybody else, by rates: strangers
# are taken for duplicates in one of so many galleries.
_DUPLICATE = 20.0

# The most times somebody may be enrolled and still be known for a duplicate.
DUPLICATES = 4


def open_set_far(
    fpir: float, people: int, impostors: Impostors, nearest: NDArray[np.float64], among: int | None = None
) -> float:
    """The card's false accept rate at the distance up to which a gallery takes a face for somebody.

    Parameters
    ----------
    fpir : float
        Share of strangers that may at most be taken for somebody; 0 < fpir < 1.
    people : int
        In the gallery, N.
    impostors : Impostors
        Of the card.
    nearest : float64, shape (n,) or (n, k)
        Squared distances (as to single photos) from faces of n of the people, one of each, to the nearest of the
        others, or to the k nearest, rising, inf where there are fewer. With several, duplicates do not count.
    among : int or None
        How many people those nearest were looked for among; all where None. A stranger meets at most
        people / among times as many who are near (Boole's inequality).

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
    reached = max(1, min(max(math.ceil(_TAIL * count), _LEAST), int(_MOST * count)))
    top = float(y[reached - 1])
    # Somebody enrolled twice is not what a tail is made of.
    beyond = np.minimum(top - y[: reached - 1], math.log(_STRICTEST))
    spread = float(beyond.mean()) if reached > 1 else _INVERSE_INDEX
    inverse = (reached * spread + _WORTH * _INVERSE_INDEX) / (reached + _WORTH)
    inverse *= 1 + _UPPER / math.sqrt(reached + _WORTH)
    wanted = fpir * looked_at / everybody
    further = max(0.0, math.log(_upper_share(reached, count) / wanted))
    far = math.exp(top - further * inverse) / looked_at
    return min(max(far, fpir / everybody / _STRICTEST), fpir / everybody)


def _nearest_strangers(nearest: NDArray[np.float64], far: float, impostors: Impostors) -> NDArray[np.float64]:
    """The nearest of the others for each face, but for duplicates; faces that have none but these are left out.

    Parameters
    ----------
    nearest : float64, shape (n, k), rising, inf where there are fewer
    far : float
        The rate from which on two people are near enough to be taken for each other.
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
    """The upper end of Wilson's interval of a share."""
    share, square = hits / of, _UPPER**2 / of
    return (share + square / 2 + _UPPER * math.sqrt(share * (1 - share) / of + square / (4 * of))) / (1 + square)
