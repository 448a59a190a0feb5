"""Calibrate the scores of a detector: probabilities, and a threshold for a given number of false boxes per photo."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from facespace.evaluate.metrics.detection import compare_boxes
from facespace.train.detector.photos import LabelledPhotos, Labels
from facespace.train.detector.validate import SMALLEST, Maps, kept_boxes

# Minimum side of a piece of a photo without faces, in pixels, and its distance from any face as a share of the face.
PIECE, MARGIN = 256, 0.5


class Calibration(NamedTuple):
    """Probability of a face = 1 / (1 + exp(-(slope * logit + offset)))."""

    slope: float
    offset: float


def fit_scores(maps: Maps, photos: LabelledPhotos) -> Calibration:
    """Fit the logits of a network's boxes to whether they are faces (Platt 1999), on photos with labels."""
    logits, right = [], []
    for number in range(len(photos)):
        labels = photos.labels(number)
        found = kept_boxes(maps(photos.pixels(number)))
        sides = (labels.boxes[:, 2:] - labels.boxes[:, :2]).max(axis=1, initial=0)
        compared = compare_boxes(found.boxes, found.scores, labels.boxes, labels.ignored | (sides < SMALLEST))
        logits.append(np.log(compared.scores / (1 - compared.scores)))
        right.append(compared.right)
    return platt(np.concatenate(logits), np.concatenate(right))


def platt(logits: NDArray[np.float64], right: NDArray[np.bool_], rounds: int = 50) -> Calibration:
    """The slope and offset of the most likely logistic curve, by Newton's method."""
    inputs = np.stack([logits, np.ones_like(logits)], axis=1)
    # Platt's targets, which are never exactly 0 or 1.
    yes, no = int(right.sum()), int((~right).sum())
    targets = np.where(right, (yes + 1) / (yes + 2), 1 / (no + 2))
    weights = np.array([1.0, 0.0])
    for _ in range(rounds):
        chance = 1 / (1 + np.exp(-np.clip(inputs @ weights, -30, 30)))
        curvature = (inputs * (chance * (1 - chance))[:, None]).T @ inputs + 1e-6 * np.eye(2)
        weights = weights - np.linalg.solve(curvature, inputs.T @ (chance - targets))
    return Calibration(float(weights[0]), float(weights[1]))


def faceless_pieces(pixels: NDArray[np.uint8], labels: Labels) -> list[NDArray[np.uint8]]:
    """Parts of a photo without faces: the largest of the four bands beside, above and below all of its faces."""
    height, width = pixels.shape[:2]
    if len(labels.boxes) == 0:
        return [pixels]
    sides = labels.boxes[:, 2:] - labels.boxes[:, :2]
    near = np.floor((labels.boxes[:, :2] - MARGIN * sides).min(axis=0)).astype(int)
    far = np.ceil((labels.boxes[:, 2:] + MARGIN * sides).max(axis=0)).astype(int)
    bands = [
        pixels[:, : max(near[0], 0)],
        pixels[:, min(far[0], width) :],
        pixels[: max(near[1], 0)],
        pixels[min(far[1], height) :],
    ]
    good = [band for band in bands if min(band.shape[:2]) >= PIECE]
    return sorted(good, key=lambda band: band.size)[-1:]


def threshold_for(scores: NDArray[np.floating], photos: int, false_boxes: float) -> float:
    """The lowest threshold that gives at most `false_boxes` a photo; `scores` of all boxes in photos without faces."""
    allowed = int(false_boxes * photos)
    ordered = np.sort(scores)[::-1]
    return 0.0 if len(ordered) <= allowed else float(np.nextafter(ordered[allowed], 1))
