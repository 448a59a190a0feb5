"""Find the faces of an image and align them for a network."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facespace.faces.align import CROPS, Crop
from facespace.faces.detection import Detections, Detector
from facespace.faces.quality import SIDE, Quality, judge


@dataclass(frozen=True)
class FaceCrop:
    """One face of an image.

    box : left, top, right, bottom, in pixels of the image
    landmarks : float32, shape (5, 2), or None
    score : the detector's, between 0 and 1
    quality : how reliably it can be recognised; None if the detector finds no landmarks
    pixels : uint8, shape (height, width, 3), RGB, aligned for the network
    """

    box: tuple[float, float, float, float]
    landmarks: NDArray[np.float32] | None
    score: float
    quality: Quality | None
    pixels: NDArray[np.uint8]


def find_faces(image: NDArray[np.uint8], detector: Detector, crop: Crop, width: int, height: int) -> list[FaceCrop]:
    """Find the faces of an image and cut them out, in reading order (top to bottom, left to right).

    Parameters
    ----------
    image : ndarray of uint8, shape (h, w, 3), RGB
    detector, crop
        The detector, and how to cut out a face.
    width, height : int
        Size of each crop in pixels.

    Returns
    -------
    list of FaceCrop
        Empty if no face is found.
    """
    return cut_faces(image, detector([image])[0], crop, width, height)


def cut_faces(image: NDArray[np.uint8], found: Detections, crop: Crop, width: int, height: int) -> list[FaceCrop]:
    """Cut out the detected faces of an image and measure their quality, in reading order."""
    as_judged = crop is CROPS["arcface-112"] and width == height == SIDE
    faces = []
    for index in reading_order(found.boxes):
        box, score = found.boxes[index], float(found.scores[index])
        landmarks = None if found.landmarks is None else found.landmarks[index]
        left, top, right, bottom = (float(edge) for edge in box)
        pixels = crop(image, box, landmarks, width, height)
        aligned = pixels if as_judged else None
        faces.append(
            FaceCrop(
                box=(left, top, right, bottom),
                landmarks=landmarks,
                score=score,
                quality=None if landmarks is None else judge(image, landmarks, score, aligned),
                pixels=pixels,
            )
        )
    return faces


def reading_order(boxes: NDArray[np.floating]) -> list[int]:
    """Order boxes (k, 4) row by row from the top, each row from the left; returns indices.

    A face belongs to a row if its middle is above the lower edge of the row's highest face, because people in a row
    differ in height.
    """
    rows: list[list[int]] = []
    for index in np.argsort(boxes[:, 1] + boxes[:, 3], kind="stable").tolist():
        middle = (boxes[index, 1] + boxes[index, 3]) / 2
        if rows and middle < boxes[rows[-1][0], 3]:
            rows[-1].append(index)
        else:
            rows.append([index])
    return [index for row in rows for index in sorted(row, key=lambda index: float(boxes[index, 0]))]
