"""Which photos are fit to enrol: quality, near-duplicates, and photos that look like somebody else."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facespace.embed import Face, Failure, Space
from facespace.errors import FacespaceError, GalleryError, ImageError, NoFaceError, SeveralFacesError
from facespace.gallery.records import Candidate, NewFace
from facespace.images import Photo, name_of, small_picture
from facespace.metric import squared_distances, template

# Faces worse than this share of ordinary photos are refused.
LEAST_QUALITY = 0.05

# Longest side of a picture that is kept of a face, in pixels.
PICTURE = 160

# Squared distance up to which two faces are one photo stored twice, as a share of the threshold for one pair.
# docs/decisions/034-enrolment.md tells how far the same photo saved anew moves, and how near two photos come.
SAME_PHOTO = 0.05


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


@dataclass(frozen=True)
class Enrolment:
    """What was enrolled, and what should be looked at.

    person : the name
    faces : how many were added
    failures : photos left out, and why
    folded : photos left out because the same one is there already
    outliers : photos enrolled that look like somebody else than the person's other photos
    alike : other people of the gallery who look like the new faces: perhaps the same person
    """

    person: str
    faces: int
    failures: tuple[Failure, ...]
    folded: tuple[Failure, ...] = ()
    outliers: tuple[Failure, ...] = ()
    alike: tuple[Candidate, ...] = ()


@dataclass(frozen=True)
class Judged:
    """Which of some new faces to add, which are there already, which look like somebody else, by place."""

    new: tuple[int, ...]
    folded: tuple[tuple[int, str], ...]
    outliers: tuple[tuple[int, str], ...]


# Why a photo cannot be enrolled: what `usable_face` raises, and the kind of the failure.
REFUSALS: dict[type[FacespaceError], str] = {
    ImageError: "image",
    NoFaceError: "no-face",
    SeveralFacesError: "several-faces",
    LowQualityError: "low-quality",
}


def usable_face(
    space: Space, photo: Photo, least_quality: float, keep: bool = False, face: int | None = None
) -> NewFace:
    """A face of a photo, to enrol; with a small picture of it where `keep` asks.

    Parameters
    ----------
    space : Space
    photo : a photo
    least_quality : float
    keep : bool
    face : int or None
        Its number, from 1 in reading order; where None the photo must show one face alone.

    Raises
    ------
    ImageError, NoFaceError, SeveralFacesError, LowQualityError
        The photo cannot be used, shows no face (or none of that number), shows several of which none was chosen, or
        the face is not good enough; the message says what to do.
    """
    look = space.look(photo) if keep else None
    found = look.faces if look else space.faces(photo)
    if not found:
        raise NoFaceError("0 faces found; take a photo that shows one, larger or clearer")
    if face is None and len(found) > 1:
        raise SeveralFacesError(
            f"{len(found)} faces found; a photo to enrol must show just one, or a face must be chosen by its number, "
            "from 1 in reading order"
        )
    place = 0 if face is None else face - 1
    if not 0 <= place < len(found):
        shows = "one face" if len(found) == 1 else f"{len(found)} faces"
        raise NoFaceError(f"there is no face {face}: the photo shows {shows}, numbered from 1 in reading order")
    chosen = found[place]
    quality = None if chosen.quality is None else chosen.quality.value
    if quality is not None and quality < least_quality:
        raise LowQualityError(f"quality {quality:.2f} is below {least_quality:g}: {_why(chosen)}; take a better photo")
    picture = small_picture(look.crops[place], PICTURE) if look else None
    return NewFace(name_of(photo), chosen.box, chosen.embedding, quality, picture)


def judge_new(faces: Sequence[NewFace], kept: Sequence[NDArray[np.float32]], space: Space) -> Judged:
    """Compare new faces of a person with each other and with those kept.

    Parameters
    ----------
    faces : sequence of NewFace, at least one
    kept : sequence of float32, shape (d,)
        What is there of the person already.
    space : Space
    """
    points = np.stack([*kept, *(face.embedding for face in faces)])
    distances = squared_distances(points, points)
    threshold = space.threshold()
    first = len(kept)
    new: list[int] = []
    folded: list[tuple[int, str]] = []
    for place in range(len(faces)):
        earlier = [*range(first), *(first + other for other in new)]
        if earlier and distances[first + place, earlier].min() <= SAME_PHOTO * threshold:
            folded.append((place, "the same photo is there already"))
        else:
            new.append(place)
    there = [*range(first), *(first + place for place in new)]
    outliers = []
    for place in new:
        others = [row for row in there if row != first + place]
        if others:
            away = float(squared_distances(points[[first + place]], template(points[others])[None])[0, 0])
            if away > threshold:
                outliers.append((place, _unlike(away, threshold, len(others))))
    return Judged(tuple(new), tuple(folded), tuple(outliers))


def _unlike(distance: float, threshold: float, others: int) -> str:
    rest = "the other photo" if others == 1 else f"the other {others} photos"
    return (
        f"looks like somebody else: squared distance {distance:.2f} from {rest} of this person, where two photos "
        f"of one person seldom pass {threshold:.2f}"
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
