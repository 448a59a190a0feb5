"""The interface of a detector and its results."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Detections:
    """The faces found in one image, in pixels of that image.

    boxes : float32, shape (k, 4)
        Left, top, right, bottom. Edges: the image extends from 0 to its width; a box may exceed it.
    landmarks : float32, shape (k, 5, 2), or None
        Left eye, right eye, nose, left and right mouth corner (left as seen in the image), if the detector finds
        them. x, y with the centre of the first pixel at (0, 0).
    scores : float32, shape (k,)
        Between 0 and 1.
    """

    boxes: NDArray[np.float32]
    landmarks: NDArray[np.float32] | None
    scores: NDArray[np.float32]


@dataclass(frozen=True)
class SecondLook:
    """When to try a photo rotated, in case it is stored on its side or upside down.

    unsure : if the best face scores below this, the rotated photo is tried
    sure : score that the best face of the rotated photo must reach
    """

    unsure: float
    sure: float


class Detector(Protocol):
    """Anything that finds faces.

    gives_landmarks : whether its detections have landmarks
    second_look : the scores that reveal rotated photos; None if the rotation of a photo does not matter, or the scores
        are unknown
    """

    gives_landmarks: bool

    @property
    def second_look(self) -> SecondLook | None:
        """When to try the photo rotated; may be a plain attribute."""
        ...

    def __call__(self, images: Sequence[NDArray[np.uint8]]) -> list[Detections]:
        """Return the detections of each RGB image of shape (h, w, 3), in the given order."""
        ...
