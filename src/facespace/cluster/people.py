"""Who are all these people? From photos to groups of faces."""

import os
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from facespace.cluster.agglomerative import agglomerative
from facespace.embed import Face, Failure, Space
from facespace.errors import DataError, ImageError
from facespace.images import Photo, photos_in


@dataclass(frozen=True)
class Member:
    """A face in a group: the photo it is in, and where (left, top, right, bottom in pixels)."""

    photo: Photo
    box: tuple[float, float, float, float]


@dataclass(frozen=True)
class Clusters:
    """Faces grouped by person.

    groups : largest first; of equal size, the one seen first
    failures : photos that could not be used
    threshold : the squared distance the groups were cut at
    """

    groups: tuple[tuple[Member, ...], ...]
    failures: tuple[Failure, ...]
    threshold: float


def cluster(space: Space, photos: str | os.PathLike[str] | Iterable[Photo], threshold: float | None = None) -> Clusters:
    """Group all faces of some photos by person; nobody says how many people there are.

    Parameters
    ----------
    space : Space
    photos : a folder, or an iterable of photos
    threshold : float or None
        Squared distance to cut at; the model card's where None.

    Returns
    -------
    Clusters
        A photo that cannot be used is among its failures; the rest go on.

    Raises
    ------
    DataError
        No such folder, no photos, or none that can be used.
    ModelError
        The card has no clustering threshold and none was given.
    """
    # With a threshold of one's own, a card that has none will do.
    linkage = "average" if space.card.decisions is None else space.clustering.linkage
    cut = space.clustering.threshold if threshold is None else threshold
    listed = photos_in(photos) if isinstance(photos, str | os.PathLike) else photos
    faces: list[Face] = []
    members: list[Member] = []
    failures: list[Failure] = []
    for photo in listed:
        try:
            found = space.faces(photo)
        except ImageError as error:
            failures.append(Failure(photo, str(error)))
            continue
        if not found:
            failures.append(Failure(photo, "no face found"))
        faces += found
        members += [Member(photo, face.box) for face in found]
    if not faces:
        reasons = "; ".join(failure.reason for failure in failures[:3]) or "none were given"
        raise DataError(f"no photo to cluster can be used: {reasons}")
    labels = agglomerative(np.stack([face.embedding for face in faces]), cut, linkage)
    groups = [
        tuple(member for member, own in zip(members, labels, strict=True) if own == label)
        for label in range(labels.max() + 1)
    ]
    return Clusters(tuple(sorted(groups, key=len, reverse=True)), tuple(failures), cut)
