"""Group photos, faces or embeddings by person."""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facespace.album.cut import cut_of
from facespace.clustering.arrange import Constraints, arrange
from facespace.clustering.threshold import Cut
from facespace.deprecated import Renamed
from facespace.errors import DataError
from facespace.images import Photo, Skipped, photos_in
from facespace.metric import as_points
from facespace.space import Face, Failure, Space


@dataclass(frozen=True)
class Member:
    """A face in a group: its photo, and its box (left, top, right, bottom in pixels)."""

    photo: Photo
    box: tuple[float, float, float, float]


@dataclass(frozen=True)
class Clusters:
    """Faces grouped by person.

    groups : largest first; groups of equal size in the order they were seen
    failures : photos that could not be used
    threshold : the squared distance the groups were cut at
    skipped : entries of the folder that were ignored, and why
    """

    groups: tuple[tuple[Member, ...], ...]
    failures: tuple[Failure, ...]
    threshold: float
    skipped: tuple[Skipped, ...] = ()

    passed_over = Renamed("skipped")


@overload
def cluster(
    what: Space,
    photos: str | os.PathLike[str] | Iterable[Photo],
    threshold: float | None = None,
    on_photo: Callable[[], None] | None = None,
) -> Clusters: ...
@overload
def cluster(what: ArrayLike | Iterable[Face], *, threshold: float) -> NDArray[np.int64]: ...


def cluster(
    what: Space | ArrayLike | Iterable[Face],
    photos: str | os.PathLike[str] | Iterable[Photo] | None = None,
    threshold: float | None = None,
    on_photo: Callable[[], None] | None = None,
) -> Clusters | NDArray[np.int64]:
    """Group faces by person. You do not need to say how many people there are.

    Two faces of one photo are never grouped together.

    Parameters
    ----------
    what : Space, or faces, or array-like of shape (n, d)
        A space groups the faces of `photos`; faces and embeddings are grouped directly.
    photos : a folder, or an iterable of photos
        Only with a space.
    threshold : float or None
        Squared distance to cut at. None uses the model card's, made stricter for a collection in which true pairs are
        rarer than among the people that the card was measured on. Required for faces and embeddings.
    on_photo : callable or None
        Progress callback, called after each photo; only with a space.

    Returns
    -------
    Clusters, or ndarray of int64 of shape (n,)
        For photos: groups of members; photos that cannot be used are listed as failures. For faces and embeddings: the
        group of each, numbered from 0 by first appearance.

    Raises
    ------
    DataError
        The folder does not exist or has no photos, no photo can be used, or faces or embeddings have no threshold.
    EmbeddingError
        The embeddings differ in dimension, are not finite, or do not have L2 norm 1.
    ModelError
        The card has no clustering threshold and none was given.
    """
    if not isinstance(what, Space):
        return _groups_of(what, threshold)
    if photos is None:
        raise DataError("to group faces with a space, give photos: a folder, as in cluster(space, 'photos/')")
    cut = cut_of(what.card.require_decisions()) if threshold is None else Cut(threshold)
    skipped: list[Skipped] = []
    listed = photos_in(photos, skipped.append) if isinstance(photos, str | os.PathLike) else photos
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
        if on_photo is not None:
            on_photo()
    if not members:
        reasons = "; ".join(failure.reason for failure in failures[:3]) or "none were given"
        raise DataError(f"no photo to cluster can be used: {reasons}")
    nothing = Constraints.nothing(len(members))
    known = Constraints(nothing.together, np.array(apart, np.int64).reshape(-1, 2), nothing.colour)
    arranged = arrange(np.stack(points), cut, known)
    groups: list[list[Member]] = [[] for _ in range(arranged.labels.max() + 1)]
    for member, label in zip(members, arranged.labels, strict=True):
        groups[label].append(member)
    ordered = sorted(groups, key=len, reverse=True)
    return Clusters(tuple(tuple(group) for group in ordered), tuple(failures), arranged.cut, tuple(skipped))


def _groups_of(what: ArrayLike | Iterable[Face], threshold: float | None) -> NDArray[np.int64]:
    if threshold is None:
        raise DataError("faces and embeddings have no model card, so give a threshold, as in threshold=1.0")
    rows: list[Face] | NDArray[np.float32] = what if isinstance(what, np.ndarray) else list(what)  # type: ignore[arg-type]
    given = [row.embedding if isinstance(row, Face) else row for row in rows]
    points = as_points(given, name="points") if given else np.empty((0, 1), np.float32)
    return arrange(points, Cut(threshold)).labels
