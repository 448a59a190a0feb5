"""From a detection to the picture a network sees."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from facespace.images import resize

# image (h, w, 3), box (4,), landmarks (5, 2) or None, width, height -> (height, width, 3)
Crop = Callable[[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32] | None, int, int], NDArray[np.uint8]]


def box_crop(
    image: NDArray[np.uint8],
    box: NDArray[np.float32],
    landmarks: NDArray[np.float32] | None,
    width: int,
    height: int,
) -> NDArray[np.uint8]:
    """The box, scaled to width and height without rotation (the paper's tight crop, section 4).

    Parameters
    ----------
    image : ndarray of uint8, shape (h, w, 3)
    box : ndarray of float32, shape (4,)
        Left, top, right, bottom in pixels; what lies outside the image is left out.
    landmarks : ignored here
    width, height : int

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)
    """
    rows, columns = image.shape[:2]
    left, top = np.clip(np.floor(box[:2]).astype(int), 0, [columns - 1, rows - 1])
    right, bottom = np.clip(np.ceil(box[2:]).astype(int), [left + 1, top + 1], [columns, rows])
    return resize(image[top:bottom, left:right], width, height)


# By the name a model card gives.
CROPS: dict[str, Crop] = {"box": box_crop}
