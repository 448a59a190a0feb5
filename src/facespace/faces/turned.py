"""Detect photos that are stored on their side or upside down without saying so, by trying them rotated."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from facespace.faces.detection import Detections, Detector
from facespace.faces.find import FaceCrop
from facespace.faces.pose import pose
from facespace.images import resize

# Pixels of the small image that is tried in the three other rotations.
SMALL = 800_000


def look_turned(
    image: NDArray[np.uint8], found: Detections, detector: Detector
) -> tuple[int, NDArray[np.uint8], Detections]:
    """Detect the faces of a photo, and rotate it if its faces show that it is stored rotated.

    Only photos without a confidently detected face cost more: three rotations at half the size (less for photos of more
    than 3.2 million pixels), and the best one at full size. The rotation whose best face scores highest is used, if it
    beats the original.

    Parameters
    ----------
    image : uint8, shape (h, w, 3)
    found : Detections
        Detections in the original image.
    detector : Detector

    Returns
    -------
    turns : int
        Quarter turns anticlockwise, 0 to 3, that bring the faces upright.
    turned : uint8 array
        The rotated image.
    found : Detections
        In pixels of the rotated image.
    """
    look, best = detector.second_look, _best(found)
    if look is None or best >= look.unsure:
        return 0, image, found
    height, width = image.shape[:2]
    shrink = min(0.5, (SMALL / (width * height)) ** 0.5)
    small = resize(image, max(1, int(width * shrink)), max(1, int(height * shrink)))
    scores = [_best(seen) for seen in detector([_turned(small, turns) for turns in (1, 2, 3)])]
    if max(scores) < look.sure or max(scores) <= best:
        return 0, image, found
    turns = 1 + int(np.argmax(scores))
    turned = _turned(image, turns)
    seen = detector([turned])[0]
    return (turns, turned, seen) if _best(seen) > best else (0, image, found)


def turned_back(face: FaceCrop, turns: int, width: int, height: int) -> FaceCrop:
    """Convert a face of a rotated photo to pixels of the original, width x height.

    The face image stays upright, and its landmarks keep the names they have there.
    """
    if turns == 0:
        return face
    edges = _points_back(np.array(face.box).reshape(2, 2), turns, width, height)
    (left, top), (right, bottom) = edges.min(axis=0).tolist(), edges.max(axis=0).tolist()
    landmarks, quality = face.landmarks, face.quality
    if landmarks is not None:
        # Landmarks refer to pixel centres, boxes to edges.
        landmarks = (_points_back(landmarks + 0.5, turns, width, height) - 0.5).astype(np.float32)
        quality = quality and replace(quality, roll=float(pose(landmarks)[2]))
    return replace(face, box=(left, top, right, bottom), landmarks=landmarks, quality=quality)


def _best(found: Detections) -> float:
    return float(found.scores.max(initial=0))


def _turned(image: NDArray[np.uint8], turns: int) -> NDArray[np.uint8]:
    return np.ascontiguousarray(np.rot90(image, turns))


def _points_back(points: NDArray[np.floating], turns: int, width: int, height: int) -> NDArray[np.floating]:
    x, y = points[..., 0], points[..., 1]
    return np.stack([(x, y), (width - y, x), (width - x, height - y), (y, height - x)][turns], axis=-1)
