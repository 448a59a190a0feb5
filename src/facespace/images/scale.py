"""Resize images without aliasing."""

import io

import numpy as np
import PIL.Image
from numpy.typing import NDArray


def resize(image: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Resize an image.

    Pillow's bilinear filter widens its support when shrinking, so every source pixel contributes by its area and
    nothing aliases; unlike bicubic or Lanczos, it never overshoots at edges.

    Parameters
    ----------
    image : ndarray of uint8, shape (h, w, 3)
    width, height : int
        At least 1.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)
    """
    if image.shape[:2] == (height, width):
        return image
    scaled = PIL.Image.fromarray(image).resize((width, height), PIL.Image.Resampling.BILINEAR)
    return np.array(scaled)


def small_picture(image: NDArray[np.uint8], longest: int) -> bytes:
    """Encode an image (h, w, 3) as a WebP thumbnail of at most `longest` pixels per side, for display only."""
    picture = PIL.Image.fromarray(image)
    picture.thumbnail((longest, longest))
    content = io.BytesIO()
    picture.save(content, "WEBP", quality=75)
    return content.getvalue()
