"""What the one-shot network sees before its results are merged: candidates decoded from its maps."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from facespace.faces.boxes import suppress
from facespace.faces.detector_file import CELLS, STRIDES

# Of two boxes that overlap by more than this share of their union, the one with the higher score is kept.
SAME = 0.4
# The same if the larger covers more than this share of the smaller.
COVERED = 0.8
# Order of the landmarks of a mirrored face: left and right change places.
_MIRRORED = (1, 0, 2, 4, 3)


class Candidates(NamedTuple):
    """Boxes (n, 4), landmarks (n, 5, 2) and scores (n,), float32, in pixels, measured from pixel edges."""

    boxes: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    scores: NDArray[np.float32]

    def chosen(self, which: NDArray[np.intp] | NDArray[np.bool_]) -> "Candidates":
        """Some of the candidates, by index or mask."""
        return Candidates(self.boxes[which], self.landmarks[which], self.scores[which])

    def distinct(self) -> "Candidates":
        """One candidate for each face, highest score first."""
        return self.chosen(best_boxes(self.boxes, self.scores))


def decode_maps(maps: Sequence[NDArray[np.float32]], threshold: float) -> Candidates:
    """Decode the network's maps (15, h / s, w / s) of one input, in cells whose score reaches the threshold.

    `threshold` lies between 0 and 1, exclusively. Each cell holds the logit of its score, the offset of the box's
    centre from the cell's centre in cells, the logarithms of the box's sides divided by 4 cells, and the landmarks
    relative to the box's centre, in units of the square root of its area.
    """
    lowest = np.log(threshold / (1 - threshold))
    parts = []
    for stride, values in zip(STRIDES, maps, strict=True):
        rows, columns = np.nonzero(values[0] >= lowest)
        own = values[:, rows, columns].T
        middle = (np.stack([columns, rows], axis=1) + np.float32(0.5) + own[:, 1:3]) * stride
        size: NDArray[np.float32] = np.exp(np.clip(own[:, 3:5], -4, 4)) * np.float32(stride * CELLS)
        unit = np.sqrt(size.prod(axis=1))[:, None, None]
        points = middle[:, None] + own[:, 5:].reshape(-1, 5, 2) * unit
        scores = probability(own[:, 0])
        parts.append((np.concatenate([middle - size / 2, middle + size / 2], axis=1), points, scores))
    return joined([Candidates(*(values.astype(np.float32) for values in part)) for part in parts])


def joined(parts: Sequence[Candidates]) -> Candidates:
    """All candidates of several parts."""
    return Candidates(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def mirrored(found: Candidates, width: float) -> Candidates:
    """The same faces in the mirror image of a picture that is `width` pixels wide."""
    boxes, landmarks = found.boxes.copy(), found.landmarks[:, _MIRRORED].copy()
    boxes[:, [0, 2]] = width - found.boxes[:, [2, 0]]
    landmarks[..., 0] = width - landmarks[..., 0]
    return Candidates(boxes, landmarks, found.scores)


def best_boxes(boxes: NDArray[np.float32], scores: NDArray[np.float32]) -> NDArray[np.intp]:
    """Return the indices of one box for each face, highest score first.

    Parameters
    ----------
    boxes : float32, shape (n, 4)
    scores : float32, shape (n,)

    Returns
    -------
    indices, shape (m,)
    """
    kept = suppress(boxes, scores, SAME)
    return kept[suppress(boxes[kept], scores[kept], COVERED, over="smaller")]


def logit(probability: NDArray[np.floating] | np.floating) -> NDArray[np.floating]:
    """Log-odds of probabilities; finite also for 0 and 1."""
    kept = np.clip(probability, 1e-7, 1 - 1e-7)
    return np.log(kept / (1 - kept))


def probability(logit: NDArray[np.floating]) -> NDArray[np.floating]:
    """Probabilities of log-odds."""
    return 1 / (1 + np.exp(-logit))
