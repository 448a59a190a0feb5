"""Draw detected faces into a photo."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import PIL.Image
from numpy.typing import NDArray
from PIL import ImageDraw, ImageFont

from facespace.faces.quality import Quality

# From poor to good: red, amber, green; blue if the quality is unknown.
COLOURS = ((215, 48, 39), (245, 166, 35), (46, 160, 67))
PLAIN = (33, 113, 230)


class Drawable(Protocol):
    """A face with a box in a photo."""

    @property
    def box(self) -> tuple[float, float, float, float]: ...  # noqa: D102
    @property
    def landmarks(self) -> NDArray[np.float32] | None: ...  # noqa: D102
    @property
    def score(self) -> float: ...  # noqa: D102
    @property
    def quality(self) -> Quality | None: ...  # noqa: D102


@dataclass(frozen=True)
class Scaled:
    """A face in the coordinates of its photo scaled down."""

    box: tuple[float, float, float, float]
    landmarks: NDArray[np.float32] | None
    score: float
    quality: Quality | None


def scaled(face: Drawable, scale: tuple[float, float]) -> Drawable:
    """Convert a face to the coordinates of a scaled-down photo; `scale` is pixels of the photo per pixel of it."""
    if scale == (1.0, 1.0):
        return face
    factor = np.array(scale, np.float32)
    left, top, right, bottom = (np.array(face.box) / np.tile(factor, 2)).tolist()
    landmarks = None if face.landmarks is None else (face.landmarks + 0.5) / factor - 0.5
    return Scaled((left, top, right, bottom), landmarks, face.score, face.quality)


def draw_faces(image: NDArray[np.uint8], faces: Sequence[Drawable]) -> NDArray[np.uint8]:
    """Copy an image (h, w, 3) and draw a box, the landmarks, a number and the quality of each face."""
    drawn = PIL.Image.fromarray(image)
    pen = ImageDraw.Draw(drawn)
    for number, face in enumerate(faces, start=1):
        left, top, right, bottom = face.box
        width = max(1, round((right - left) / 60))
        colour = PLAIN if face.quality is None else COLOURS[min(int(face.quality.value * 3), 2)]
        pen.rectangle((left, top, right, bottom), outline=colour, width=width)
        if face.landmarks is not None:
            for x, y in face.landmarks.tolist():
                radius = max(1.0, (right - left) / 50)
                pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(255, 255, 255), outline=colour)
        label = f"{number}" if face.quality is None else f"{number}  {face.quality.value:.0%}"
        font = ImageFont.load_default(float(np.clip((right - left) / 6, 11, 48)))
        space = pen.textbbox((left, top), label, font=font)
        # Above the box, or inside it at the top of the photo.
        lift = min(space[3] - top + 2, max(top, 0))
        pen.rectangle((space[0] - 2, space[1] - lift - 2, space[2] + 2, space[3] - lift + 2), fill=colour)
        pen.text((left, top - lift), label, fill=(255, 255, 255), font=font)
    return np.array(drawn)
