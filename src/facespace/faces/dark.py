"""Brighten very dark photos for detection, because the networks were not trained on dark photos."""

import numpy as np
from numpy.typing import NDArray

# A photo whose 99th percentile is below DARK is scaled so that it becomes LIT, by a factor of at most GAIN; beyond
# that, only noise is left.
DARK, LIT, GAIN = 96, 192, 24


def lit(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Brighten an image (h, w, 3) if it is very dark."""
    step = max(1, min(image.shape[:2]) // 64)
    brightest = float(np.percentile(image[::step, ::step], 99))
    if brightest >= DARK:
        return image
    gain = min(LIT / max(brightest, 1), GAIN)
    return np.minimum(np.arange(256) * gain, 255).astype(np.uint8)[image]
