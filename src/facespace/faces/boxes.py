"""Boxes (left, top, right, bottom): overlap and non-maximum suppression."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

# Boxes compared at once; it keeps the matrices below a few megabytes.
BLOCK = 512


def overlaps(
    a: NDArray[np.floating], b: NDArray[np.floating], over: Literal["union", "smaller"] = "union"
) -> NDArray[np.floating]:
    """Overlap of boxes: intersection as a fraction of their union (Jaccard), or of the smaller box.

    Parameters
    ----------
    a, b : float arrays, shapes (n, 4) and (m, 4)

    Returns
    -------
    float array, shape (n, m), 0 to 1
    """
    left, top, right, bottom = a.T[:, :, None]
    width = np.minimum(right, b[:, 2]) - np.maximum(left, b[:, 0])
    height = np.minimum(bottom, b[:, 3]) - np.maximum(top, b[:, 1])
    common = np.maximum(width, 0) * np.maximum(height, 0)
    areas_a, areas_b = ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]) for boxes in (a, b))
    if over == "union":
        whole = areas_a[:, None] + areas_b[None, :] - common
    else:
        whole = np.minimum(areas_a[:, None], areas_b[None, :])
    return common / np.maximum(whole, np.finfo(whole.dtype).tiny)


def suppress(
    boxes: NDArray[np.floating],
    scores: NDArray[np.floating],
    threshold: float,
    over: Literal["union", "smaller"] = "union",
) -> NDArray[np.intp]:
    """Non-maximum suppression: of boxes that overlap by more than the threshold, keep the one with the best score.

    Parameters
    ----------
    boxes : float array, shape (n, 4)
    scores : float array, shape (n,)
    threshold : float
        Overlap, as `overlaps` computes it.

    Returns
    -------
    indices of the boxes that are kept, best first
    """
    order = np.argsort(-scores, kind="stable")
    kept = np.empty(0, np.intp)
    for start in range(0, len(order), BLOCK):
        block = order[start : start + BLOCK]
        for rivals in range(0, len(kept), BLOCK):
            hidden = overlaps(boxes[kept[rivals : rivals + BLOCK]], boxes[block], over) > threshold
            block = block[~hidden.any(axis=0)]
        alike = np.packbits(overlaps(boxes[block], boxes[block], over) > threshold, axis=1, bitorder="little")
        # Integers as bit sets: one bit for each box of the block that a better one suppresses.
        covered, stays = 0, []
        for index, row in enumerate(alike):
            if not covered >> index & 1:
                stays.append(index)
                covered |= int.from_bytes(row.tobytes(), "little")
        kept = np.concatenate([kept, block[stays]])
    return kept
