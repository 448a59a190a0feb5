"""Where the faces of a photo are."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Detections:
    """The faces found in one image, in pixels of that image.

    boxes : float32, shape (k, 4)
        Left, top, right, bottom.
    landmarks : float32, shape (k, 5, 2), or None
        Left eye, right eye, nose, left and right mouth corner (left as seen in the image), where the
        detector gives them.
    scores : float32, shape (k,)
        Between 0 and 1.
    """

    boxes: NDArray[np.float32]
    landmarks: NDArray[np.float32] | None
    scores: NDArray[np.float32]


class Detector(Protocol):
    """Anything that finds faces."""

    def __call__(self, images: Sequence[NDArray[np.uint8]]) -> list[Detections]:
        """Detections of each RGB image of shape (h, w, 3), in the order given."""
        ...


class WholePhoto:
    """For photos that are faces already: each photo is one face, from border to border."""

    def __call__(self, images: Sequence[NDArray[np.uint8]]) -> list[Detections]:
        """One detection an image: all of it."""
        return [
            Detections(
                boxes=np.array([[0, 0, image.shape[1], image.shape[0]]], np.float32),
                landmarks=None,
                scores=np.ones(1, np.float32),
            )
            for image in images
        ]


# By the name a model card gives.
DETECTORS: dict[str, Callable[[], Detector]] = {"whole-photo": WholePhoto}
