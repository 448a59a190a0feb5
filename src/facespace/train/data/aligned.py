"""The size at which aligned faces are stored for a network: the template with a margin, scaled down if possible.

An aligned face has 128x128 pixels: the 112x112 template and a margin of 8 pixels on each side.
"""

from dataclasses import dataclass

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from facespace.errors import DataError, ImageError

CROP = "arcface-112"
TEMPLATE, MARGIN = 112, 8
SIDE = TEMPLATE + 2 * MARGIN


@dataclass(frozen=True)
class Layout:
    """Which part of an aligned face is stored, and at which scale.

    shape : (height, width) in pixels, including the margin
    margin : pixels on each side outside the network's input
    scale : stored pixels per pixel of the aligned face, at most 1
    size : (width, height) of the network's input if it is larger than the stored face, else None
    """

    shape: tuple[int, int]
    margin: int
    scale: float
    size: tuple[int, int] | None

    def face(self, photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Crop and scale an aligned face (128, 128, 3) to the stored shape.

        Pillow's bilinear filter grows with the reduction, so every source pixel counts by its area, as in
        `facespace.images.resize`.

        Raises
        ------
        ImageError
            The face does not have 128x128 pixels.
        """
        if photo.shape[:2] != (SIDE, SIDE):
            raise ImageError(f"it is {photo.shape[1]}x{photo.shape[0]} pixels, not an aligned face of {SIDE}x{SIDE}")
        height, width = self.shape
        left, top = (SIDE - width / self.scale) / 2, (SIDE - height / self.scale) / 2
        scaled = PIL.Image.fromarray(photo).resize(
            (width, height), PIL.Image.Resampling.BILINEAR, (left, top, SIDE - left, SIDE - top)
        )
        return np.asarray(scaled)


def layout_for(width: int, height: int) -> Layout:
    """Return the layout for a network with an input of width x height pixels.

    The square template is scaled to the smaller side, as the crop `arcface-112` does for photos.

    Raises
    ------
    DataError
        The input is so far from square that it extends beyond the margin.
    """
    smaller = min(width, height)
    scale = min(1.0, smaller / TEMPLATE)
    kept_width, kept_height = round(width * scale * TEMPLATE / smaller), round(height * scale * TEMPLATE / smaller)
    margin = int((scale * SIDE - max(kept_width, kept_height)) // 2)
    if margin < 0:
        raise DataError(
            f"aligned faces ({TEMPLATE}x{TEMPLATE} pixels with a margin of {MARGIN}) do not fill the shape "
            f"{width}x{height}; choose a width and a height closer to each other"
        )
    size = None if (kept_width, kept_height) == (width, height) else (width, height)
    return Layout((kept_height + 2 * margin, kept_width + 2 * margin), margin, scale, size)
