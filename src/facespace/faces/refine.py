"""Refine detected faces with MTCNN's third network: their landmarks, boxes and scores.

Its landmarks are twice as exact as those of the detector's network, and agree with those of galleries made with MTCNN.
Boxes and scores of the two networks together are better than those of either: docs/decisions/014-one-shot-detector.md.
"""

import numpy as np
from numpy.typing import NDArray

from facespace.faces.candidates import logit, probability
from facespace.faces.detection import Detections
from facespace.faces.mtcnn import Mtcnn

# Boxes with a smaller side than this, in pixels, are kept as they are. So are boxes more than this many times as large
# as the photo, which would take many times its memory.
SMALLEST, LARGEST = 20, 2
# The third network's landmarks are used from this score on, if their mean distance from the detector's is at most this
# share of the face's size: if they are farther away, it has found something else.
SURE, NEAR = 0.7, 0.15
# Its boxes are averaged with the detector's under these weaker conditions.
LIKELY, AROUND = 0.3, 0.3
# Weight of the logit of its score, which is limited to this range: it knows few heads in profile, and a low score must
# not be able to reject a face of which the detector is sure.
WEIGHT, RANGE = 0.4, (0.1, 0.9)


def refined(image: NDArray[np.uint8], found: Detections, mtcnn: Mtcnn) -> Detections:
    """Return the faces of an image (h, w, 3) with refined boxes, landmarks and scores, highest score first."""
    sides = found.boxes[:, 2:] - found.boxes[:, :2]
    fitting = (sides >= SMALLEST).all(axis=1) & (sides <= LARGEST * max(image.shape)).all(axis=1)
    chosen = np.flatnonzero(fitting)
    if found.landmarks is None or not len(chosen):
        return found
    boxes, landmarks, scores = found.boxes.copy(), found.landmarks.copy(), found.scores.copy()
    own_boxes, points, own_scores = mtcnn.faces_in(image, boxes[chosen])
    size = np.sqrt(sides[chosen].prod(axis=1))
    apart = np.linalg.norm(points - landmarks[chosen], axis=2).mean(axis=1) / size
    likely = (own_scores >= LIKELY) & (apart <= AROUND)
    boxes[chosen[likely]] = (boxes[chosen[likely]] + own_boxes[likely]) / 2
    good = (own_scores >= SURE) & (apart <= NEAR)
    landmarks[chosen[good]] = points[good]
    scores[chosen] = probability(logit(scores[chosen]) + WEIGHT * logit(np.clip(own_scores, *RANGE)))
    order = np.argsort(-scores, kind="stable")
    return Detections(boxes[order], landmarks[order], scores[order])


def lowest_score(threshold: float) -> float:
    """The lowest score of the detector's network with which a face can still reach a threshold after `refined`."""
    return float(probability(logit(np.float64(threshold)) - WEIGHT * logit(np.float64(RANGE[1]))))
