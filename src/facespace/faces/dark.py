"""Brighten very dark photos for detection, because the networks were not trained on dark photos."""

import numpy as np
from numpy.typing import NDArray

# A photo whose 99th percentile is below DARK is scaled so that it becomes LIT, by a factor of at most GAIN; beyond
# that, only noise is left.
DARK, LIT, GAIN = 96, 192, 24


def gain(image: NDArray[np.uint8]) -> float:
    """The factor by which to brighten an image (h, w, 3) before its faces are searched; 1 if it is not very dark."""
    step = max(1, min(image.shape[:2]) // 64)
    brightest = float(np.percentile(image[::step, ::step], 99))
    return 1.0 if brightest >= DARK else min(LIT / max(brightest, 1), GAIN)


def brightened(image: NDArray[np.uint8], factor: float) -> NDArray[np.uint8]:
    """Multiply the pixels of an image; returns the image itself if the factor is 1."""
    if factor == 1:
        return image
    return np.minimum(np.arange(256) * factor, 255).astype(np.uint8)[image]


def lit(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Brighten an image (h, w, 3) if it is very dark."""
    return brightened(image, gain(image))
