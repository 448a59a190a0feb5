"""What a detector is, and what it says."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Detections:
    """The faces found in one image, in pixels of that image.

    boxes : float32, shape (k, 4)
        Left, top, right, bottom. Edges: the image lies from 0 to its width; a box may leave it.
    landmarks : float32, shape (k, 5, 2), or None
        Left eye, right eye, nose, left and right mouth corner (left as seen in the image), where the
        detector gives them. x, y with the centre of the first pixel at (0, 0).
    scores : float32, shape (k,)
        Between 0 and 1.
    """

    boxes: NDArray[np.float32]
    landmarks: NDArray[np.float32] | None
    scores: NDArray[np.float32]


@dataclass(frozen=True)
class SecondLook:
    """When a photo is looked at turned, in case it lies on its side or upside down.

    unsure : score below which the best face of a photo leaves room for doubt
    sure : score that the best face of the photo turned must reach
    """

    unsure: float
    sure: float


class Detector(Protocol):
    """Anything that finds faces.

    gives_landmarks : whether its detections have any
    second_look : the scores that tell photos stored turned; None where it does not matter how a photo is turned, or
        is not known
    """

    gives_landmarks: bool

    @property
    def second_look(self) -> SecondLook | None:
        """When to look again; a plain attribute does."""
        ...

    def __call__(self, images: Sequence[NDArray[np.uint8]]) -> list[Detections]:
        """Detections of each RGB image of shape (h, w, 3), in the order given."""
        ...
