"""Which photos are fit to enrol: quality, near-duplicates, and photos that look like somebody else."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facespace.errors import FacespaceError, GalleryError, ImageError, NoFaceError, SeveralFacesError
from facespace.gallery.records import Candidate, NewFace
from facespace.images import Photo, name_of, small_picture
from facespace.metric import Decision, squared_distances, template
from facespace.space import Face, Failure, Space, main_face

# Faces worse than this share of ordinary photos are refused.
LEAST_QUALITY = 0.05

# Longest side of a picture that is kept of a face, in pixels.
PICTURE = 160

# Squared distance up to which two faces are one photo stored twice, as a share of the threshold for one pair.
# docs/decisions/034-enrolment.md tells how far the same photo saved anew moves, and how near two photos come.
SAME_PHOTO = 0.05


# A photo is doubtful where its mean squared distance to the person's others lies beyond this share of the way from the
# accept threshold to the reject distance; of a single other photo, beyond the reject distance itself.
# docs/decisions/034-enrolment.md has how many photos of whom that holds back.
DOUBTFUL = 0.5

# The number of the face to enrol, from 1 in reading order; or, given a photo of several faces and those faces in that
# order, the place of the one to enrol, None to leave the photo out.
ChooseFace = Callable[[Photo, Sequence[Face]], int | None] | int


class NotEnrolledError(GalleryError):
    """None of the photos given can be enrolled.

    Attributes
    ----------
    failures : tuple of Failure
        Each photo, and why it cannot be used.
    """

    def __init__(self, message: str, failures: tuple[Failure, ...] = ()):
        super().__init__(message)
        self.failures = failures


class LowQualityError(GalleryError):
    """A face is of too low a quality to enrol."""


# Why a photo cannot be enrolled: what `usable_face` raises, and the kind of the failure.
REFUSALS: dict[type[FacespaceError], str] = {
    ImageError: "image",
    NoFaceError: "no-face",
    SeveralFacesError: "several-faces",
    LowQualityError: "low-quality",
}


def kind_of(error: Exception) -> str:
    """The kind of a failure, from the error."""
    return next(kind for known, kind in REFUSALS.items() if isinstance(error, known))


@dataclass(frozen=True)
class Enrolment:
    """What was enrolled, and what should be looked at.

    person : the name
    faces : how many were added
    failures : photos left out, and why
    folded : photos left out because the same one is there already
    doubtful : photos left out because they look like somebody else than the person's other photos
    outliers : photos enrolled that look like somebody else than the person's other photos
    alike : other people of the gallery who look like the new faces: perhaps the same person
    """

    person: str
    faces: int
    failures: tuple[Failure, ...]
    folded: tuple[Failure, ...] = ()
    doubtful: tuple[Failure, ...] = ()
    outliers: tuple[Failure, ...] = ()
    alike: tuple[Candidate, ...] = ()


@dataclass(frozen=True)
class Doubt:
    """A question before somebody is enrolled: are these photos of the person?

    person : the name
    photos : those in doubt
    reason : what they look like
    """

    person: str
    photos: tuple[Photo, ...]
    reason: str


@dataclass(frozen=True)
class Judged:
    """What was found out about some new faces, by place.

    new : to add, `outliers` among them
    folded : there already
    doubtful : they look like somebody else, beyond what is added without a question
    outliers : they look like somebody else, but may be the person
    mixed : the new faces look like several people, none of whom has most of them
    """

    new: tuple[int, ...]
    folded: tuple[tuple[int, str], ...]
    doubtful: tuple[tuple[int, str], ...]
    outliers: tuple[tuple[int, str], ...]
    mixed: str | None = None


def largest_face(photo: Photo, faces: Sequence[Face]) -> int | None:
    """Choose the largest face of a photo, to enrol people who stand in front of others."""
    return main_face(faces)


def usable_face(
    space: Space, photo: Photo, least_quality: float, keep: bool = False, choose: ChooseFace | None = None
) -> NewFace:
    """The face of a photo to enrol; with a small picture of it where `keep` asks.

    Raises
    ------
    ImageError, NoFaceError, SeveralFacesError, LowQualityError
        The photo cannot be used, shows no face (or none of that number), shows several of which none was chosen, or
        the face is not good enough; the message says what is wrong with it.
    """
    found = space.faces(photo, crops=keep)
    place: int | None = 0
    if isinstance(choose, int):
        place = choose - 1
    elif len(found) > 1:
        if choose is None:
            raise SeveralFacesError(
                f"{len(found)} faces found; a photo to enrol must show just one; cut it out, or choose which to enrol"
            )
        place = choose(photo, found)
    if not found:
        raise NoFaceError("0 faces found; a photo to enrol must show just one, larger or clearer")
    if place is None:
        raise SeveralFacesError(f"{len(found)} faces found, and none of them was chosen")
    if not 0 <= place < len(found):
        shows = "1 face" if len(found) == 1 else f"{len(found)} faces"
        raise NoFaceError(f"{shows} found, so there is no face {place + 1}; they are numbered from 1 in reading order")
    face = found[place]
    quality = None if face.quality is None else face.quality.value
    if quality is not None and quality < least_quality:
        raise LowQualityError(f"quality {quality:.2f} is below {least_quality:g}: {_why(face)}; take a better photo")
    picture = None if face.crop is None else small_picture(face.crop, PICTURE)
    return NewFace(name_of(photo), face.box, face.embedding, quality, picture)


def judge_new(faces: Sequence[NewFace], kept: Sequence[NDArray[np.float32]], decision: Decision) -> Judged:
    """Compare new faces of a person with each other and with those kept.

    Parameters
    ----------
    faces : sequence of NewFace, at least one
    kept : sequence of float32, shape (d,)
        What is there of the person already.
    decision : Decision
        Of the space.
    """
    points = np.stack([*kept, *(face.embedding for face in faces)])
    distances = squared_distances(points, points).astype(np.float64)
    first = len(kept)
    fresh: list[int] = []
    folded: list[tuple[int, str]] = []
    for place in range(len(faces)):
        earlier = [*range(first), *(first + other for other in fresh)]
        if earlier and distances[first + place, earlier].min() <= SAME_PHOTO * decision.accept:
            folded.append((place, "the same photo is there already"))
        else:
            fresh.append(place)
    rows = [*range(first), *(first + place for place in fresh)]
    together = _one_person(distances[np.ix_(rows, rows)], first, decision)
    mixed = None
    if not first and 2 * together.sum() <= len(fresh) and len(fresh) > 1:
        mixed = (
            f"the {len(fresh)} photos look like several people (at most {together.sum()} of them like one); "
            "enrol each person by their own name"
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
    return Judged(tuple(new), tuple(folded), tuple(doubtful), _outliers(points, there, first, decision), mixed)


def unlike_others(points: NDArray[np.float32], decision: Decision) -> list[bool]:
    """Which faces of a person (n, d) look like somebody else than their others."""
    found = {place for place, _ in _outliers(points, list(range(len(points))), 0, decision)}
    return [place in found for place in range(len(points))]


def _limit(decision: Decision, others: int) -> float:
    """Mean squared distance to so many photos of a person beyond which a photo is doubtful."""
    if others == 1:
        return decision.beyond
    return decision.accept + DOUBTFUL * (decision.beyond - decision.accept)


def _one_person(distances: NDArray[np.float64], first: int, decision: Decision) -> NDArray[np.bool_]:
    """Which faces are one person's: those kept, or else the face most others are near to, and who joins them.

    The nearest face joins first, as long as its mean distance to all that are there is within the limit.
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
    """Of the faces that are there (rows of `points`), the new ones (from `first` on) that are unlike the others."""
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
        f"looks like somebody else: squared distance {distance:.2f} from {rest} of this person, more than "
        f"{threshold:.2f}"
    )


def _why(face: Face) -> str:
    """What is worst about a face, in words."""
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
