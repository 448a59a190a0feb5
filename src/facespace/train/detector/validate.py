"""How good a network is on photos that it was not trained on."""

import numpy as np
import torch
from torch import nn

from facespace.evaluate.metrics.detection import average_precision, compare_boxes
from facespace.faces.boxes import suppress
from facespace.faces.one_shot import decode_maps
from facespace.train.detector.photos import LabelledPhotos

# Faces below this, the larger side in pixels, do not count.
SMALLEST = 10
# Boxes are listed down to this score, and of two that overlap by more than OVERLAP the better stays.
LOWEST, OVERLAP = 0.02, 0.45


@torch.no_grad()
def precision_of(network: nn.Module, photos: LabelledPhotos) -> dict[str, float]:
    """'precision': average precision of faces of 10 pixels and more; 'large_recall': of those of 50 and more, how many
    are found with a score of .5; 'landmark_error': mean distance as a share of the size of the face, where known."""
    compared, large, errors = [], [], []
    for number in range(len(photos)):
        pixels, labels = photos.pixels(number), photos.labels(number)
        height, width = pixels.shape[:2]
        padded = np.zeros((3, height + -height % 32, width + -width % 32), np.float32)
        padded[:, :height, :width] = pixels.transpose(2, 0, 1)
        maps = network(torch.from_numpy(padded)[None] / 255)
        found = decode_maps([level[0].float().numpy() for level in maps], LOWEST)
        kept = suppress(found.boxes, found.scores, OVERLAP)
        sides = (labels.boxes[:, 2:] - labels.boxes[:, :2]).max(axis=1, initial=0)
        ignored = labels.ignored | (sides < SMALLEST)
        result = compare_boxes(found.boxes[kept], found.scores[kept], labels.boxes, ignored)
        compared.append(result)
        large += (result.best[sides[~ignored] >= 50] >= 0.5).tolist()
        errors += _landmark_errors(found.boxes[kept], found.landmarks[kept], found.scores[kept], labels.boxes[~ignored],
                                   labels.landmarks[~ignored], labels.trust[~ignored])
    return {
        "precision": average_precision(compared),
        "large_recall": float(np.mean(large)) if large else float("nan"),
        "landmark_error": float(np.mean(errors)) if errors else float("nan"),
    }


def _landmark_errors(
    boxes: np.ndarray, points: np.ndarray, scores: np.ndarray, faces: np.ndarray, true: np.ndarray, trust: np.ndarray
) -> list[float]:
    from facespace.faces.boxes import overlaps

    errors = []
    boxes, points = boxes[scores > 0.4], points[scores > 0.4]
    if not len(boxes):
        return []
    for face, own, known in zip(faces, true, trust, strict=True):
        if known < 0.9 or np.sqrt((face[2:] - face[:2]).prod()) < 20:
            continue
        shared = overlaps(boxes, face[None])[:, 0]
        if shared.max() >= 0.5:
            distance = np.linalg.norm(points[shared.argmax()] - own, axis=1).mean()
            errors.append(float(distance / np.sqrt((face[2:] - face[:2]).prod())))
    return errors
