"""Better landmarks for faces that were found: MTCNN's third network looks at each of them.

Its landmarks are twice as exact as those of the network that finds the faces, and they are where galleries made with
MTCNN have them: docs/decisions/014-one-shot-detector.md.
"""

import numpy as np
from numpy.typing import NDArray

from facespace.faces.detection import Detections
from facespace.faces.mtcnn import Mtcnn

# Faces below this, the smaller side in pixels, keep the landmarks they have.
SMALLEST = 20
# The third network is believed from this score on, where its landmarks lie no farther from the others than this share
# of the face's size: farther away it looks at something else.
SURE, NEAR = 0.7, 0.15


def refined(image: NDArray[np.uint8], found: Detections, mtcnn: Mtcnn) -> Detections:
    """The same faces of an image (h, w, 3), with the third network's landmarks where it is sure of them."""
    sides = found.boxes[:, 2:] - found.boxes[:, :2]
    large = np.flatnonzero(sides.min(axis=1, initial=np.inf) >= SMALLEST)
    if found.landmarks is None or not len(large):
        return found
    points, scores = mtcnn.landmarks_in(image, found.boxes[large])
    size = np.sqrt(sides[large].prod(axis=1))
    apart = np.linalg.norm(points - found.landmarks[large], axis=2).mean(axis=1) / size
    good = (scores >= SURE) & (apart <= NEAR)
    landmarks = found.landmarks.copy()
    landmarks[large[good]] = points[good]
    return Detections(found.boxes, landmarks, found.scores)
