"""What a space says about photos."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facespace.faces import Quality
from facespace.images import Photo


@dataclass(frozen=True)
class Face:
    """A face of a photo, as a point in the space.

    box : left, top, right, bottom, in pixels of the photo
    landmarks : float32, shape (5, 2), or None where the detector gives none
    score : the detector's, between 0 and 1
    embedding : float32, shape (d,), L2 norm 1
    quality : how far it can be trusted; None where the detector gives no landmarks
    """

    box: tuple[float, float, float, float]
    landmarks: NDArray[np.float32] | None
    score: float
    embedding: NDArray[np.float32]
    quality: Quality | None = None


@dataclass(frozen=True)
class PhotoFaces:
    """What became of one of many photos.

    photo : as it was given
    width, height : in pixels, upright; 0 where it could not be decoded
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
    """A photo that could not be used, and why."""

    photo: Photo
    reason: str


@dataclass(frozen=True)
class Verification:
    """Are these two the same person?

    same : whether the distance is at most the threshold
    probability : that they are the same person, for even prior odds
    distance, threshold : squared Euclidean distances, 0 to 4
    far : the false accept rate the threshold was chosen for
    """

    same: bool
    probability: float
    distance: float
    threshold: float
    far: float
