"""Photos with several real faces."""

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="session")
def portraits(people):
    """Six faces of 92x112 pixels, one of each person."""
    return [Image.open(people / f"s{number}" / "1.pgm").convert("RGB") for number in range(1, 7)]


@pytest.fixture(scope="session")
def lay_out_faces():
    """Arrange faces side by side on grey; returns the photo and the centre of each face."""

    def lay_out(faces, scale=1.0):
        width, height = round(92 * scale), round(112 * scale)
        canvas = Image.new("RGB", (40 + len(faces) * (width + 40), height + 80), (128, 128, 128))
        middles = []
        for index, face in enumerate(faces):
            left = 40 + index * (width + 40)
            canvas.paste(face.resize((width, height), Image.Resampling.BICUBIC), (left, 40))
            middles.append((left + width / 2, 40 + height / 2))
        return np.asarray(canvas), np.array(middles)

    return lay_out
