"""How aligned faces are kept for a network: the template with a margin, reduced where the network takes less.

An aligned face is 128x128: the 112x112 template with 8 pixels all round.
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
    """What of an aligned face is kept.

    shape : (height, width) in pixels, margin included
    margin : pixels on each side beyond what the network sees
    scale : kept pixels to a pixel of the aligned face, at most 1
    size : (width, height) of what the network takes, where that is larger than what is kept
    """

    shape: tuple[int, int]
    margin: int
    scale: float
    size: tuple[int, int] | None

    def face(self, photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """An aligned face of (128, 128, 3) as it is kept; ImageError where it is of another size.

        Reduced in one go by Pillow's bilinear filter, which widens as it shrinks: every pixel counts by its
        area, as in `facespace.images.resize`.
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
    """How to keep aligned faces for a network that takes width x height pixels.

    The template's square is scaled to the smaller side, as the crop of that name does for photos.

    Raises
    ------
    DataError
        The shape is so far from square that it reaches beyond the margin.
    """
    smaller = min(width, height)
    scale = min(1.0, smaller / TEMPLATE)
    kept_width, kept_height = round(width * scale * TEMPLATE / smaller), round(height * scale * TEMPLATE / smaller)
    margin = int((scale * SIDE - max(kept_width, kept_height)) // 2)
    if margin < 0:
        raise DataError(
            f"aligned faces, {TEMPLATE}x{TEMPLATE} pixels with a margin of {MARGIN}, do not fill the shape "
            f"{width}x{height}; take width and height nearer to each other"
        )
    size = None if (kept_width, kept_height) == (width, height) else (width, height)
    return Layout((kept_height + 2 * margin, kept_width + 2 * margin), margin, scale, size)
