"""Refine the landmarks of detected faces with MTCNN's third network.

Its landmarks are twice as exact as those of the detector's network, and agree with those of galleries made with MTCNN:
docs/decisions/014-one-shot-detector.md.
"""

import numpy as np
from numpy.typing import NDArray

from facespace.faces.detection import Detections
from facespace.faces.mtcnn import Mtcnn

# Boxes with a smaller side than this, in pixels, keep their landmarks. So do boxes more than this many times as large
# as the photo, which would take many times its memory.
SMALLEST, LARGEST = 20, 2
# The third network's landmarks are used from this score on, if their mean distance from the detector's is at most this
# share of the face's size: if they are farther away, it has found something else.
SURE, NEAR = 0.7, 0.15


def refined(image: NDArray[np.uint8], found: Detections, mtcnn: Mtcnn) -> Detections:
    """Return the faces of an image (h, w, 3), with the third network's landmarks if its score is high."""
    sides = found.boxes[:, 2:] - found.boxes[:, :2]
    fitting = (sides >= SMALLEST).all(axis=1) & (sides <= LARGEST * max(image.shape)).all(axis=1)
    chosen = np.flatnonzero(fitting)
    if found.landmarks is None or not len(chosen):
        return found
    points, scores = mtcnn.landmarks_in(image, found.boxes[chosen])
    size = np.sqrt(sides[chosen].prod(axis=1))
    apart = np.linalg.norm(points - found.landmarks[chosen], axis=2).mean(axis=1) / size
    good = (scores >= SURE) & (apart <= NEAR)
    landmarks = found.landmarks.copy()
    landmarks[chosen[good]] = points[good]
    return Detections(found.boxes, landmarks, found.scores)
