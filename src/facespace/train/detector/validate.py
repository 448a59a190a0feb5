"""Measure a network on photos that it was not trained on."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from facespace.evaluate.metrics.detection import average_precision, compare_boxes
from facespace.faces.boxes import overlaps, suppress
from facespace.faces.candidates import Candidates, decode_maps
from facespace.train.detector.photos import LabelledPhotos, Labels

# Runs a network on a photo, uint8 (h, w, 3), and returns its maps, one for each stride.
Maps = Callable[[NDArray[np.uint8]], list[NDArray[np.float32]]]

# Faces whose larger side is below this, in pixels, do not count.
SMALLEST = 10
# Minimum score of boxes; of two that overlap by more than OVERLAP, the better one is kept.
LOWEST, OVERLAP = 0.02, 0.4
# Minimum size (square root of the area, in pixels) and trust of faces whose landmarks are compared.
LARGE, TRUSTED = 20, 0.9
GRAIN = 32


def maps_of(network: nn.Module) -> Maps:
    """Return a function that runs a network in evaluation mode on photos of any size, on the device of its weights."""
    device = next(network.parameters()).device

    @torch.no_grad()
    def look(pixels: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        height, width = pixels.shape[:2]
        padded = np.zeros((1, 3, height + -height % GRAIN, width + -width % GRAIN), np.float32)
        padded[0, :, :height, :width] = pixels.transpose(2, 0, 1)
        return [level[0].float().cpu().numpy() for level in network(torch.from_numpy(padded).to(device) / 255)]

    return look


def precision_of(network: nn.Module, photos: LabelledPhotos) -> dict[str, float]:
    """Measure a network in evaluation mode.

    Returns
    -------
    dict
        'precision': average precision of faces of 10 pixels and more. 'large_recall': share of those of 50 and more
        that are found with a score of 0.5. 'landmark_error': mean distance of landmarks as a share of the size of the
        face, where they are known.
    """
    look = maps_of(network)
    compared, large, errors = [], [], []
    for number in range(len(photos)):
        labels = photos.labels(number)
        found = kept_boxes(look(photos.pixels(number)))
        sides = (labels.boxes[:, 2:] - labels.boxes[:, :2]).max(axis=1, initial=0)
        ignored = labels.ignored | (sides < SMALLEST)
        result = compare_boxes(found.boxes, found.scores, labels.boxes, ignored)
        compared.append(result)
        large += (result.best[sides[~ignored] >= 50] >= 0.5).tolist()
        errors += landmark_errors(found, labels)
    return {
        "precision": average_precision(compared),
        "large_recall": float(np.mean(large)) if large else float("nan"),
        "landmark_error": float(np.mean(errors)) if errors else float("nan"),
    }


def kept_boxes(maps: list[NDArray[np.float32]], threshold: float = LOWEST) -> Candidates:
    """The boxes in a network's maps, after non-maximum suppression."""
    found = decode_maps(maps, threshold)
    return found.chosen(suppress(found.boxes, found.scores, OVERLAP))


def landmark_errors(found: Candidates, labels: Labels) -> list[float]:
    """Mean error of the landmarks as a share of the face's size, on detected faces with trusted landmarks."""
    errors = []
    if len(found.boxes):
        size = np.sqrt((labels.boxes[:, 2:] - labels.boxes[:, :2]).prod(axis=1))
        for face in np.flatnonzero(~labels.ignored & (labels.trust >= TRUSTED) & (size >= LARGE)):
            shared = overlaps(found.boxes, labels.boxes[face][None])[:, 0]
            if shared.max() >= 0.5:
                apart = np.linalg.norm(found.landmarks[shared.argmax()] - labels.landmarks[face], axis=1)
                errors.append(float(apart.mean() / size[face]))
    return errors
