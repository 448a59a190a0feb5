"""A detector that finds every face in one pass: boxes, scores and five landmarks from one network."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

STRIDES = (8, 16, 32)
# Sides of a box whose logarithmic size is 0, in cells.
CELLS = 4.0


class Candidates(NamedTuple):
    """Boxes (n, 4), landmarks (n, 5, 2) counted from edges as boxes are, scores (n,), in pixels of the input."""

    boxes: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    scores: NDArray[np.float32]


def decode_maps(maps: Sequence[NDArray[np.float32]], threshold: float) -> Candidates:
    """What the network's maps (15, h / s, w / s) of one input say, where the score reaches the threshold.

    Each cell holds the logit of its score, the offset of the box's middle from the cell's in cells, the logarithms of
    its sides over 4 cells, and the landmarks relative to the middle of the box in roots of its area.
    """
    logit = np.log(threshold / (1 - threshold))
    parts = []
    for stride, values in zip(STRIDES, maps, strict=True):
        rows, columns = np.nonzero(values[0] >= logit)
        own = values[:, rows, columns].T
        middle = (np.stack([columns, rows], axis=1) + np.float32(0.5) + own[:, 1:3]) * stride
        size = np.exp(np.clip(own[:, 3:5], -4, 4)) * np.float32(stride * CELLS)
        unit = np.sqrt(size.prod(axis=1))[:, None, None]
        points = middle[:, None] + own[:, 5:].reshape(-1, 5, 2) * unit
        scores = 1 / (1 + np.exp(-own[:, 0]))
        parts.append((np.concatenate([middle - size / 2, middle + size / 2], axis=1), points, scores))
    return Candidates(*(np.concatenate(columns).astype(np.float32) for columns in zip(*parts, strict=True)))
