"""Which photos are fit to enrol: quality, near-duplicates, and photos that look like somebody else."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facespace.embed import Face, Failure, Space
from facespace.errors import GalleryError
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


def usable_face(space: Space, photo: Photo, least_quality: float, keep: bool = False) -> NewFace:
    """The one face of a photo, to enrol; with a small picture of it where `keep` asks.

    Raises
    ------
    ImageError
        The photo cannot be used.
    GalleryError
        It shows no face, or several, or one of too low a quality; the message says what is wrong with it.
    """
    look = space.look(photo) if keep else None
    found = look.faces if look else space.faces(photo)
    if len(found) != 1:
        raise GalleryError(f"{len(found)} faces found; a photo to enrol must show just one")
    face = found[0]
    quality = None if face.quality is None else face.quality.value
    if quality is not None and quality < least_quality:
        raise GalleryError(f"quality {quality:.2f} is below {least_quality:g}: {_why(face)}; take a better photo")
    picture = small_picture(look.crops[0], PICTURE) if look else None
    return NewFace(name_of(photo), face.box, face.embedding, quality, picture)


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
