"""Tails of the impostor distances to templates of one, two and four photos, from which galleries take thresholds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facespace.metric import normalise
from facespace.model import ImpostorsCard, ImpostorTailCard

# Numbers of photos in a template; measured as far as enough people have that many.
PHOTOS = (1, 2, 4)

# A threshold based on fewer accepted comparisons is mostly chance.
MIN_ACCEPTED = 10

# 0.1, 0.05, 0.02, 0.01 and so on.
_GRID = (0.1, *(digit * 10.0**power for power in range(-2, -9, -1) for digit in (5, 2, 1)))

# Largest rate with a bootstrap: at larger rates it is slow, and the choice of identities matters little.
_BOOTSTRAP_FAR = 0.01
_ROUNDS = 200

# Templates compared at a time: 256 with 10,000 faces are 10 MB.
_BLOCK = 256


@dataclass(frozen=True)
class _Smallest:
    """Comparisons of templates with other people's faces: distance, person of the template, person of the face."""

    distances: NDArray[np.float32]
    owners: NDArray[np.int64]
    strangers: NDArray[np.int64]

    def at(self, chosen: NDArray[np.int64] | slice) -> "_Smallest":
        return _Smallest(self.distances[chosen], self.owners[chosen], self.strangers[chosen])


def impostor_tails(points: NDArray[np.float32], labels: NDArray[np.int64], seed: int = 0) -> ImpostorsCard | None:
    """Compare templates of each person's photos with the photos of all other people.

    Each person's photos are divided at random into as many templates of one, two or four photos as possible. A gallery
    guarantees a bound with these thresholds, so each threshold is the low end of its 95 % interval (bootstrap over
    identities): small rates are determined by a few people who resemble many others, and these differ between data
    sets.

    Parameters
    ----------
    points : float32, shape (n, d), L2 norm 1
    labels : int64, shape (n,)
        The person of each embedding.
    seed : int
        Random seed for the division into templates and the bootstrap.

    Returns
    -------
    ImpostorsCard or None
        None if there are too few comparisons for any rate.
    """
    rng = np.random.default_rng(seed)
    tails: list[ImpostorTailCard] = []
    fars: list[float] = []
    for photos in PHOTOS:
        templates, owners = _templates(points, labels, photos, rng)
        count = int(sum((labels != owner).sum() for owner in owners))
        rates = [far for far in _GRID if far * count >= MIN_ACCEPTED]
        if not rates:
            break
        fars = fars or rates
        smallest = _smallest(templates, owners, points, labels, int(rates[0] * count) + 1)
        # Minus one, because the comparison at the threshold itself is accepted.
        found = np.array([smallest.distances[int(far * count) - 1] for far in rates[: len(fars)]])
        low = _low_ends(smallest, labels, owners, rates[: len(fars)], rng)
        thresholds = np.minimum.accumulate(np.clip(np.minimum(found, low), 0, 4)).tolist()
        tails.append(ImpostorTailCard(photos=photos, thresholds=thresholds))
    return ImpostorsCard(fars=fars, tails=tails) if tails else None


def _templates(
    points: NDArray[np.float32], labels: NDArray[np.int64], photos: int, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    means, owners = [], []
    for person in np.unique(labels):
        own = rng.permutation(np.flatnonzero(labels == person))
        for start in range(0, len(own) - photos + 1, photos):
            means.append(points[own[start : start + photos]].mean(axis=0))
            owners.append(person)
    if not means:
        return np.empty((0, points.shape[1]), np.float32), np.empty(0, np.int64)
    return normalise(np.stack(means)), np.array(owners, np.int64)


def _smallest(
    templates: NDArray[np.float32],
    owners: NDArray[np.int64],
    points: NDArray[np.float32],
    labels: NDArray[np.int64],
    count: int,
) -> _Smallest:
    """Return the `count` smallest squared distances between templates and other people's photos, ascending."""
    kept = _Smallest(np.empty(0, np.float32), np.empty(0, np.int64), np.empty(0, np.int64))
    for start in range(0, len(templates), _BLOCK):
        rows = slice(start, start + _BLOCK)
        template, face = np.nonzero(labels[None, :] != owners[rows, None])
        distances = (2 - 2 * templates[rows] @ points.T)[template, face]
        kept = _Smallest(
            np.concatenate([kept.distances, distances]),
            np.concatenate([kept.owners, owners[rows][template]]),
            np.concatenate([kept.strangers, labels[face]]),
        )
        if len(kept.distances) > 2 * count:
            kept = kept.at(np.argpartition(kept.distances, count)[:count])
    return kept.at(np.argsort(kept.distances, kind="stable")[:count])


def _low_ends(
    smallest: _Smallest,
    labels: NDArray[np.int64],
    owners: NDArray[np.int64],
    rates: Sequence[float],
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Return the 2.5 % quantiles of the thresholds over bootstrap rounds; inf at rates above `_BOOTSTRAP_FAR`.

    A comparison gets the weight (times the template's person was drawn) x (times the other person was drawn).
    """
    people = np.unique(labels)
    faces, templates = np.searchsorted(people, labels), np.searchsorted(people, owners)
    small = [far for far in rates if far <= _BOOTSTRAP_FAR]
    low = np.full(len(rates), np.inf)
    if not small:
        return low
    # Four times the share, because a round may give small distances less weight.
    head = smallest.at(slice(0, 4 * int(small[0] / rates[0] * len(smallest.distances)) + 1))
    owner, stranger = np.searchsorted(people, head.owners), np.searchsorted(people, head.strangers)
    found = []
    for _ in range(_ROUNDS):
        drawn = np.bincount(rng.integers(len(people), size=len(people)), minlength=len(people))
        of_faces = np.bincount(faces, drawn[faces], minlength=len(people))
        of_templates = np.bincount(templates, drawn[templates], minlength=len(people))
        total = of_faces.sum() * of_templates.sum() - (of_faces * of_templates).sum()
        accepted = np.cumsum(drawn[owner] * drawn[stranger])
        if total > 0:
            place = np.searchsorted(accepted, np.array(small) * total, side="right")
            found.append(head.distances[np.minimum(place, len(head.distances) - 1)])
    low[-len(small) :] = np.percentile(found, 2.5, axis=0)
    return low
