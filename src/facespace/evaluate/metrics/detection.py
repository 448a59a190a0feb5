"""Detection metrics by the rule of WIDER FACE: a face is found if a box overlaps it by at least half.

Boxes on faces that are marked as ignored do not count (Yang, Luo, Loy and Tang: WIDER FACE, 2016).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facespace.faces.boxes import overlaps

FOUND = 0.5


@dataclass(frozen=True)
class Comparison:
    """The boxes of a photo compared with its faces.

    scores : float, (k,), scores of the boxes that count, highest first
    right : bool, (k,), whether the box is the first on a face
    best : float, (g,), the score at which each face that is not ignored was found; -inf if it was not
    """

    scores: NDArray[np.float64]
    right: NDArray[np.bool_]
    best: NDArray[np.float64]


def compare_boxes(
    boxes: NDArray[np.floating],
    scores: NDArray[np.floating],
    faces: NDArray[np.floating],
    ignored: NDArray[np.bool_],
) -> Comparison:
    """Match boxes (k, 4) with scores (k,) to faces (g, 4); faces marked in `ignored` (g,) do not count.

    Each box belongs to the face it overlaps most. The box with the highest score on a face is right; others are wrong.
    """
    order = np.argsort(-scores, kind="stable")
    boxes, ordered = boxes[order], scores[order].astype(np.float64)
    found = np.full(len(faces), -np.inf)
    right = np.zeros(len(boxes), bool)
    counts = np.ones(len(boxes), bool)
    if len(faces) and len(boxes):
        shared = overlaps(boxes.astype(np.float64), faces.astype(np.float64))
        face = shared.argmax(axis=1)
        for number in np.flatnonzero(shared.max(axis=1) >= FOUND):
            own = face[number]
            if ignored[own]:
                counts[number] = False
            elif np.isneginf(found[own]):
                found[own] = ordered[number]
                right[number] = True
    return Comparison(ordered[counts], right[counts], found[~ignored])


def average_precision(photos: list[Comparison]) -> float:
    """Area under the precision-recall curve with monotonic precision, as in WIDER FACE; NaN without faces."""
    faces = sum(len(photo.best) for photo in photos)
    if not faces:
        return float("nan")
    scores = np.concatenate([photo.scores for photo in photos])
    order = np.argsort(-scores, kind="stable")
    right = np.concatenate([photo.right for photo in photos])[order]
    if not len(right):
        return 0.0
    hits = np.cumsum(right)
    precision = np.maximum.accumulate((hits / np.arange(1, len(hits) + 1))[::-1])[::-1]
    return float(precision[right].sum() / faces)
