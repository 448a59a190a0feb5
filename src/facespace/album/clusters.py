"""Who are all these people? From photos, faces or points to groups."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facespace.clustering.arrange import Knowledge, arrange
from facespace.clustering.threshold import Cut
from facespace.errors import DataError
from facespace.images import PassedOver, Photo, photos_in
from facespace.metric import as_points
from facespace.space import Face, Failure, Space


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
    passed_over : entries of the folder that were not taken, and why
    """

    groups: tuple[tuple[Member, ...], ...]
    failures: tuple[Failure, ...]
    threshold: float
    passed_over: tuple[PassedOver, ...] = ()


@overload
def cluster(
    what: Space, photos: str | os.PathLike[str] | Iterable[Photo], threshold: float | None = None
) -> Clusters: ...
@overload
def cluster(what: ArrayLike | Iterable[Face], *, threshold: float) -> NDArray[np.int64]: ...


def cluster(
    what: Space | ArrayLike | Iterable[Face],
    photos: str | os.PathLike[str] | Iterable[Photo] | None = None,
    threshold: float | None = None,
) -> Clusters | NDArray[np.int64]:
    """Group faces by person; nobody says how many people there are.

    Two faces of one photo are never grouped together.

    Parameters
    ----------
    what : Space, or faces, or array-like of shape (n, d)
        A space groups the faces of `photos`; faces and points are grouped as they are.
    photos : a folder, or an iterable of photos
        With a space.
    threshold : float or None
        Squared distance to cut at. Where None the model card's, made stricter where the collection's true pairs are
        rarer than among the people that the card was measured on. Faces and points need one.

    Returns
    -------
    Clusters, or ndarray of int64 of shape (n,)
        Of photos: groups of members; a photo that cannot be used is among the failures and the rest go on. Of faces
        and points: the group of each, numbered from 0 by first appearance.

    Raises
    ------
    DataError
        No such folder, no photos, none that can be used, or no threshold for faces or points.
    EmbeddingError
        Points of several sizes, or not finite, or not of L2 norm 1.
    ModelError
        The card has no clustering threshold and none was given.
    """
    if not isinstance(what, Space):
        return _groups_of(what, threshold)
    if photos is None:
        raise DataError("a space groups the faces of photos: name a folder, as in cluster(space, 'photos/')")
    cut = Cut.of_card(what.card.require_decisions()) if threshold is None else Cut(threshold)
    passed: list[PassedOver] = []
    listed = photos_in(photos, passed.append) if isinstance(photos, str | os.PathLike) else photos
    members: list[Member] = []
    points: list[NDArray[np.float32]] = []
    failures: list[Failure] = []
    apart: list[tuple[int, int]] = []
    for found in what.stream(listed):
        if found.failure or not found.faces:
            failures.append(Failure(found.photo, found.failure or "no face found"))
        first = len(members)
        members += [Member(found.photo, face.box) for face in found.faces]
        points += [face.embedding for face in found.faces]
        apart += [(i, j) for j in range(first, len(members)) for i in range(first, j)]
    if not members:
        reasons = "; ".join(failure.reason for failure in failures[:3]) or "none were given"
        raise DataError(f"no photo to cluster can be used: {reasons}")
    nothing = Knowledge.nothing(len(members))
    known = Knowledge(nothing.together, np.array(apart, np.int64).reshape(-1, 2), nothing.colour)
    arranged = arrange(np.stack(points), cut, known)
    groups: list[list[Member]] = [[] for _ in range(arranged.labels.max() + 1)]
    for member, label in zip(members, arranged.labels, strict=True):
        groups[label].append(member)
    ordered = sorted(groups, key=len, reverse=True)
    return Clusters(tuple(tuple(group) for group in ordered), tuple(failures), arranged.cut, tuple(passed))


def _groups_of(what: ArrayLike | Iterable[Face], threshold: float | None) -> NDArray[np.int64]:
    if threshold is None:
        raise DataError("bare faces or points come without a model card: say where to cut, as in threshold=1.0")
    rows: list[Face] | NDArray[np.float32] = what if isinstance(what, np.ndarray) else list(what)  # type: ignore[arg-type]
    given = [row.embedding if isinstance(row, Face) else row for row in rows]
    points = as_points(given, name="points") if given else np.empty((0, 1), np.float32)
    return arrange(points, Cut(threshold)).labels
