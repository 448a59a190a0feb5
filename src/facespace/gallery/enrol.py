"""Decide which photos can be enrolled: quality, duplicates, and photos that look like somebody else."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facespace.deprecated import Renamed
from facespace.errors import FacespaceError, GalleryError, ImageError, NoFaceError, SeveralFacesError
from facespace.gallery.records import Candidate, NewFace
from facespace.images import Photo, name_of, small_picture
from facespace.metric import Decision, squared_distances, template
from facespace.space import Face, Failure, Space, main_face

# Faces are rejected if fewer than this fraction of ordinary photos are worse.
MIN_QUALITY = 0.05

# Longest side of the stored picture of a face, in pixels.
PICTURE = 160

# Squared distance within which two faces are copies of one photo, as a fraction of the threshold for one pair.
# docs/decisions/034-enrolment.md has distances between copies of a photo, and between different photos.
SAME_PHOTO = 0.05


# A photo is doubtful if its mean squared distance to the person's other photos exceeds this fraction of the way from
# the accept threshold to the reject distance; with a single other photo, if it exceeds the reject distance itself.
# docs/decisions/034-enrolment.md says how many photos that excludes.
DOUBTFUL = 0.5

# The face to enrol: its number, from 1 in reading order; or a function of a photo with several faces and those faces in
# that order, which returns the index of the one to enrol, or None to skip the photo.
ChooseFace = Callable[[Photo, Sequence[Face]], int | None] | int


class NotEnrolledError(GalleryError):
    """No photo can be enrolled.

    Attributes
    ----------
    failures : tuple of Failure
        Each photo, and why it cannot be used.
    """

    def __init__(self, message: str, failures: tuple[Failure, ...] = ()):
        super().__init__(message)
        self.failures = failures


class LowQualityError(GalleryError):
    """The quality of a face is too low to enrol it."""


# Why a photo cannot be enrolled: the errors of `usable_face`, and the kind of failure for each.
FAILURE_KINDS: dict[type[FacespaceError], str] = {
    ImageError: "image",
    NoFaceError: "no-face",
    SeveralFacesError: "several-faces",
    LowQualityError: "low-quality",
}


def kind_of(error: Exception) -> str:
    """Return the kind of failure for an error."""
    return next(kind for known, kind in FAILURE_KINDS.items() if isinstance(error, known))


@dataclass(frozen=True)
class Enrolment:
    """The result of an enrolment, including what should be reviewed.

    name : of the person
    faces : number of faces added
    failures : photos left out, and why
    duplicates : photos left out because the gallery has a copy of them
    doubtful : photos left out because they look like somebody else than the person's other photos
    outliers : photos enrolled although they look like somebody else than the person's other photos
    lookalikes : other people in the gallery who look like the new faces and may be the same person
    """

    name: str
    faces: int
    failures: tuple[Failure, ...]
    duplicates: tuple[Failure, ...] = ()
    doubtful: tuple[Failure, ...] = ()
    outliers: tuple[Failure, ...] = ()
    lookalikes: tuple[Candidate, ...] = ()

    person = Renamed("name")
    folded = Renamed("duplicates")
    alike = Renamed("lookalikes")


@dataclass(frozen=True)
class Doubt:
    """A question before enrolling: do these photos show the person?

    name : of the person
    photos : the doubtful photos
    reason : why they are doubtful
    """

    name: str
    photos: tuple[Photo, ...]
    reason: str

    person = Renamed("name")


@dataclass(frozen=True)
class Assessment:
    """Assessment of some new faces; faces are given by index.

    new : to add, including `outliers`
    duplicates : copies of photos in the gallery
    doubtful : look like somebody else; added only if the caller accepts them
    outliers : look like somebody else, but may be the person
    mixed : why the new faces seem to show several people, none of whom has most of them; None if they do not
    """

    new: tuple[int, ...]
    duplicates: tuple[tuple[int, str], ...]
    doubtful: tuple[tuple[int, str], ...]
    outliers: tuple[tuple[int, str], ...]
    mixed: str | None = None


def largest_face(photo: Photo, faces: Sequence[Face]) -> int | None:
    """Choose the largest face of a photo, for photos in which the person stands in front of others."""
    return main_face(faces)


def usable_face(
    space: Space, photo: Photo, min_quality: float, keep: bool = False, choose: ChooseFace | None = None
) -> NewFace:
    """Find the face of a photo to enrol; with a small picture of it if `keep` is set.

    Raises
    ------
    ImageError, NoFaceError, SeveralFacesError, LowQualityError
        The photo cannot be used, shows no face (or none of that number), shows several of which none was chosen, or
        the quality of the face is too low; the message says why.
    """
    found = space.faces(photo, crops=keep)
    place: int | None = 0
    if isinstance(choose, int):
        place = choose - 1
    elif len(found) > 1:
        if choose is None:
            raise SeveralFacesError(
                f"{len(found)} faces found, but a photo to enrol must show only one; crop it, or choose the face"
            )
        place = choose(photo, found)
    if not found:
        raise NoFaceError("no face found; a photo to enrol must show one face, large and clear")
    if place is None:
        raise SeveralFacesError(f"{len(found)} faces found, and none was chosen")
    if not 0 <= place < len(found):
        shows = "1 face" if len(found) == 1 else f"{len(found)} faces"
        raise NoFaceError(f"{shows} found, so there is no face {place + 1}; faces are numbered from 1 in reading order")
    face = found[place]
    quality = None if face.quality is None else face.quality.value
    if quality is not None and quality < min_quality:
        raise LowQualityError(f"quality {quality:.2f} is below {min_quality:g}: {_why(face)}; take a better photo")
    picture = None if face.crop is None else small_picture(face.crop, PICTURE)
    return NewFace(name_of(photo), face.box, face.embedding, quality, picture)


def as_new_face(face: NewFace | Face) -> NewFace:
    """Convert a face of a space to one to enrol; its photo is unknown."""
    if isinstance(face, NewFace):
        return face
    return NewFace("", face.box, face.embedding, None if face.quality is None else face.quality.value)


def assess_new(faces: Sequence[NewFace], kept: Sequence[NDArray[np.float32]], decision: Decision) -> Assessment:
    """Compare new faces of a person with each other and with the stored ones.

    Parameters
    ----------
    faces : sequence of NewFace, at least one
    kept : sequence of float32, shape (d,)
        Embeddings stored for the person.
    decision : Decision
        The space's thresholds.
    """
    points = np.stack([*kept, *(face.embedding for face in faces)])
    distances = squared_distances(points, points).astype(np.float64)
    first = len(kept)
    fresh: list[int] = []
    duplicates: list[tuple[int, str]] = []
    for place in range(len(faces)):
        earlier = [*range(first), *(first + other for other in fresh)]
        if earlier and distances[first + place, earlier].min() <= SAME_PHOTO * decision.accept:
            duplicates.append((place, "the gallery has this photo already"))
        else:
            fresh.append(place)
    rows = [*range(first), *(first + place for place in fresh)]
    together = _one_person(distances[np.ix_(rows, rows)], first, decision)
    mixed = None
    if not first and 2 * together.sum() <= len(fresh) and len(fresh) > 1:
        mixed = (
            f"the {len(fresh)} photos look like several people (at most {together.sum()} of them match); "
            "enrol each person under their own name"
        )
    there = [row for row, belongs in zip(rows, together, strict=True) if belongs]
    doubtful = []
    for place in fresh:
        if first + place not in there and mixed is None:
            away = float(distances[first + place, there].mean())
            doubtful.append((place, _unlike(away, _limit(decision, len(there)), len(there))))
    if mixed is not None:
        there = rows
    new = [row - first for row in there if row >= first]
    return Assessment(tuple(new), tuple(duplicates), tuple(doubtful), _outliers(points, there, first, decision), mixed)


def unlike_others(points: NDArray[np.float32], decision: Decision) -> list[bool]:
    """For each of a person's faces (n, d), whether it looks like somebody else than the others."""
    found = {place for place, _ in _outliers(points, list(range(len(points))), 0, decision)}
    return [place in found for place in range(len(points))]


def _limit(decision: Decision, others: int) -> float:
    """Mean squared distance to this many photos of a person beyond which a photo is doubtful."""
    if others == 1:
        return decision.beyond
    return decision.accept + DOUBTFUL * (decision.beyond - decision.accept)


def _one_person(distances: NDArray[np.float64], first: int, decision: Decision) -> NDArray[np.bool_]:
    """Find the faces that belong to one person.

    It starts from the stored faces, or else from the face with most others near it. The nearest face is added next, as
    long as its mean distance to those already included is within the limit.
    """
    together = np.zeros(len(distances), bool)
    together[:first] = True
    if not first:
        near = (distances <= _limit(decision, 2)).sum(axis=1)
        together[np.lexsort((distances.mean(axis=1), -near))[0]] = True
    sums = distances[:, together].sum(axis=1)
    while not together.all():
        means = np.where(together, np.inf, sums / together.sum())
        nearest = int(means.argmin())
        if means[nearest] > _limit(decision, int(together.sum())):
            break
        together[nearest] = True
        sums += distances[:, nearest]
    return together


def _outliers(
    points: NDArray[np.float32], there: list[int], first: int, decision: Decision
) -> tuple[tuple[int, str], ...]:
    """New faces (from index `first`) that are unlike the others among `points`."""
    outliers = []
    for row in there:
        others = [other for other in there if other != row]
        if row >= first and others:
            away = float(squared_distances(points[[row]], template(points[others])[None])[0, 0])
            if away > decision.accept:
                outliers.append((row - first, _unlike(away, decision.accept, len(others))))
    return tuple(outliers)


def _unlike(distance: float, threshold: float, others: int) -> str:
    rest = "the other photo" if others == 1 else f"the other {others} photos"
    return (
        f"looks like somebody else: its squared distance to {rest} of this person is {distance:.2f}, more than "
        f"{threshold:.2f}"
    )


def _why(face: Face) -> str:
    """Describe in words what is worst about a face."""
    quality = face.quality
    if quality is None:
        return ""
    found = []
    if quality.eye_distance < 24:
        found.append(f"small ({quality.eye_distance:.0f} pixels between the eyes)")
    if quality.sharpness < 0.05:
        found.append(f"blurred (sharpness {quality.sharpness:.2f})")
    if not 0.2 <= quality.brightness <= 0.85:
        found.append(f"{'dark' if quality.brightness < 0.2 else 'bright'} (brightness {quality.brightness:.2f})")
    if max(abs(quality.yaw), abs(quality.pitch)) > 30:
        found.append(f"turned away (yaw {quality.yaw:.0f}, pitch {quality.pitch:.0f} degrees)")
    if quality.occlusion > 0.7:
        found.append("partly covered or half lit")
    return ", ".join(found) or "several small faults together"
