"""Records that a space returns."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from facespace.errors import NoFaceError
from facespace.faces import Quality
from facespace.images import Photo
from facespace.metric import Outcome, other_faces


@dataclass(frozen=True)
class Face:
    """A face of a photo, with its embedding.

    box : left, top, right, bottom, in pixels of the photo
    landmarks : float32, shape (5, 2), or None if the detector finds none
    score : the detector's, between 0 and 1
    embedding : float32, shape (d,), L2 norm 1
    quality : how reliably it can be recognised; None if the detector finds no landmarks
    crop : uint8, shape (h, w, 3), RGB, as the network saw it; None unless it was requested
    """

    box: tuple[float, float, float, float]
    landmarks: NDArray[np.float32] | None
    score: float
    embedding: NDArray[np.float32]
    quality: Quality | None = None
    crop: NDArray[np.uint8] | None = None


@dataclass(frozen=True)
class PhotoFaces:
    """A photo with its faces, or why it could not be used.

    photo : as it was given
    width, height : in pixels, upright; 0 if it could not be decoded
    faces : in reading order
    failure : why it could not be used, or None
    """

    photo: Photo
    width: int
    height: int
    faces: tuple[Face, ...]
    failure: str | None


@dataclass(frozen=True)
class Failure:
    """A photo that could not be used, and why.

    kind : 'image', 'no-face', 'several-faces', 'low-quality' or 'doubtful', if one of these is the reason
    """

    photo: Photo
    reason: str
    kind: str | None = None


@dataclass(frozen=True)
class Compared:
    """Which face of a photo was compared.

    faces : number of faces in the photo
    face : number of the one that was compared, from 1 in reading order, as `facespace faces --draw` numbers them
    box : its left, top, right, bottom, in pixels of the photo
    note : a sentence for the user if the photo shows several faces, else None
    """

    faces: int
    face: int
    box: tuple[float, float, float, float]
    note: str | None = None


@dataclass(frozen=True)
class Verification:
    """Whether two faces show the same person.

    verdict : 'same' up to the threshold, 'different' beyond the rejection, 'unclear' between them
    headline, explanation : the verdict in words, with both error rates
    same : whether the distance is at most the threshold
    probability : that they are the same person, for even prior odds
    distance, threshold : squared Euclidean distances, 0 to 4
    far : the false accept rate the threshold was chosen for
    rejection : squared distance beyond which they are different people; None if the model's card does not say
    frr : fraction of same-person pairs beyond that (false reject rate)
    a, b : which face of each photo was compared; None if embeddings were compared
    """

    verdict: Outcome
    headline: str
    explanation: str
    same: bool
    probability: float
    distance: float
    threshold: float
    far: float
    rejection: float | None = None
    frr: float | None = None
    a: Compared | None = None
    b: Compared | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes about other faces in the photos."""
        return tuple(side.note for side in (self.a, self.b) if side is not None and side.note is not None)


class Boxed(Protocol):
    """Anything with a box in a photo."""

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom, in pixels."""
        ...


def main_face(faces: Sequence[Boxed]) -> int | None:
    """Index of the largest face, the first of equally large ones; None if there are no faces."""
    areas = [(right - left) * (bottom - top) for left, top, right, bottom in (face.box for face in faces)]
    return areas.index(max(areas)) if areas else None


def compared_face(faces: Sequence[Boxed], name: str, face: int | None = None) -> Compared:
    """Select the face of a photo to compare: the one asked for, or the largest.

    Parameters
    ----------
    faces : the faces of the photo, in reading order
    name : str
        Name of the photo, for messages.
    face : int or None
        Its number, from 1.

    Raises
    ------
    NoFaceError
        The photo shows no face, or none with that number.
    """
    main = main_face(faces)
    if main is None:
        raise NoFaceError(f"no face found in {name}; use a photo that shows a face, large and clear")
    if face is not None and not 1 <= face <= len(faces):
        shows = "one face" if len(faces) == 1 else f"{len(faces)} faces"
        raise NoFaceError(
            f"{name} shows {shows}, so there is no face {face}; faces are numbered from 1 in reading order "
            "(`facespace faces PHOTO --draw OUT` shows the numbers)"
        )
    number = main + 1 if face is None else face
    return Compared(len(faces), number, faces[number - 1].box, other_faces(name, len(faces), number, face is not None))
