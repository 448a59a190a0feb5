"""Convert an opened image to RGB pixels at the size needed, without a second full-size copy in memory."""

import math

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from facespace.images.colour import Conversion

# Pixels converted at once.
BAND = 1 << 20
# Extra rows that a band of a smaller image needs on each side: the bilinear filter reaches one row further.
MARGIN = 2


def drawn(image: PIL.Image.Image, width: int, height: int) -> NDArray[np.uint8]:
    """Convert the image to sRGB and scale it down, band by band.

    Parameters
    ----------
    image : PIL image, loaded
    width, height : int
        At least 1 and at most the image's size.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)
    """
    conversion = Conversion.of(image, list(_bands(image.height, max(1, BAND // image.width))))
    pixels = np.empty((height, width, 3), np.uint8)
    scale = image.height / height
    for top, bottom in _bands(height, max(1, int(BAND / image.width / scale))):
        if (width, height) == image.size:
            pixels[top:bottom] = np.asarray(conversion.rgb(_rows(image, top, bottom)))
            continue
        above, below = max(top - MARGIN, 0), min(bottom + MARGIN, height)
        first, last = math.floor(above * scale), min(math.ceil(below * scale), image.height)
        band = conversion.rgb(_rows(image, first, last))
        box = (0, above * scale - first, image.width, min(below * scale - first, last - first))
        scaled = band.resize((width, below - above), PIL.Image.Resampling.BILINEAR, box=box)
        pixels[top:bottom] = np.asarray(scaled)[top - above : bottom - above]
    return pixels


def _bands(rows: int, step: int) -> list[tuple[int, int]]:
    return [(top, min(top + step, rows)) for top in range(0, rows, step)]


def _rows(image: PIL.Image.Image, top: int, bottom: int) -> PIL.Image.Image:
    return image if bottom - top == image.height else image.crop((0, top, image.width, bottom))
