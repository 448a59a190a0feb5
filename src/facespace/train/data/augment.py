"""Augmentation of training faces, uint8 in and out: geometry, light, occlusion, blur, compression.

All random numbers of a batch are drawn before any face is changed. The result depends only on the generator and a
face's position in the batch, not on which thread or process does the work.
"""

import io
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache

import numpy as np
import PIL.Image
from numpy.typing import NDArray
from PIL import ImageDraw, ImageFilter

from facespace.processors import available
from facespace.train.recipe import AugmentSection

_BILINEAR = PIL.Image.Resampling.BILINEAR
# Largest blur as a share of the width (1.7 pixels at 112), and smallest relative size at low resolution.
BLUR, LOW_RESOLUTION = 0.015, 0.25
JPEG_QUALITY = (20, 90)
COVER = (0.1, 0.33)
# Sides outside the photo: largest depth as a share of the face, largest angle in degrees, probability of black.
FRAME_DEPTH, FRAME_ANGLE, FRAME_BLACK = 0.35, 25, 0.7
GREY = (127, 127, 127)
# Weights of red, green and blue in perceived brightness (ITU-R BT.601).
LUMA = np.array([0.299, 0.587, 0.114])
# Faces per unit of work of a thread.
_CHUNK = 32


@dataclass(frozen=True)
class Draw:
    """The random numbers of one batch: for each face, numbers in 0..1 that the options then scale.

    Every number is always drawn, so that enabling one option does not change the effect of the others.

    uniform : float64, shape (n, 36)
    """

    uniform: NDArray[np.float64]

    @classmethod
    def of(cls, count: int, rng: np.random.Generator) -> "Draw":
        """Draw the numbers for a batch of `count` faces."""
        return cls(rng.random((count, 36)))

    def __getitem__(self, which: slice) -> "Draw":
        return Draw(self.uniform[which])


def augmented(
    pixels: NDArray[np.uint8],
    margin: int,
    size: tuple[int, int],
    options: AugmentSection,
    draw: Draw,
    threads: bool = True,
) -> NDArray[np.uint8]:
    """Augment faces: flip, rotate, scale, shift, light, colour, erase, blur, low resolution and JPEG compression.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (n, h + 2 margin, w + 2 margin, 3)
    margin : int
        Pixels on each side outside the centred crop; a shifted crop may show them.
    size : (width, height) of the result; h and w are scaled to it
    options : AugmentSection
    draw : Draw
        Random numbers for the same number of faces.
    threads : bool
        Use several threads. Set it to False in loader processes, which already share the work.

    Returns
    -------
    ndarray of uint8, shape (n, height, width, 3)
    """
    result = np.empty((len(pixels), size[1], size[0], 3), np.uint8)

    chunk = _CHUNK if threads else max(len(pixels), 1)

    def change(first: int) -> None:
        for face in range(first, min(first + chunk, len(pixels))):
            result[face] = _changed(pixels[face], margin, size, options, draw.uniform[face].tolist())

    if len(pixels) <= chunk:
        change(0)
    else:
        list(_pool().map(change, range(0, len(pixels), chunk)))
    return result


@cache
def _pool() -> ThreadPoolExecutor:
    # Pillow releases the GIL, so threads are enough.
    return ThreadPoolExecutor(available(), thread_name_prefix="distort")


def _changed(
    face: NDArray[np.uint8], margin: int, size: tuple[int, int], options: AugmentSection, u: list[float]
) -> NDArray[np.uint8]:
    image = _moved(face, margin, size, options, u[:5], u[24])
    if u[25] < options.grey:
        image = image.convert("L").convert("RGB")
    if options.light or options.colour:
        image = _relit(image, options, u[5:11])
    if u[26] < options.frame:
        _frame(image, u[27:36])
    if u[11] < options.erase:
        _cover(image, u[12:16])
    if u[16] < options.blur:
        image = image.filter(ImageFilter.GaussianBlur(u[17] * BLUR * size[0]))
    if u[18] < options.low_resolution:
        share = LOW_RESOLUTION ** u[19]
        coarse = image.resize((max(round(size[0] * share), 1), max(round(size[1] * share), 1)), _BILINEAR)
        image = coarse.resize(size, _BILINEAR)
    if u[20] < options.jpeg:
        low, high = JPEG_QUALITY
        image = _compressed(image, round(low + (high - low) * u[21]))
    return np.asarray(image)


def _moved(
    face: NDArray[np.uint8], margin: int, size: tuple[int, int], options: AugmentSection, u: list[float], turn: float
) -> PIL.Image.Image:
    """Crop, mirror, rotate, scale and shift with a single resampling."""
    (width, height), (rows, columns) = size, face.shape[:2]
    inner_width, inner_height = columns - 2 * margin, rows - 2 * margin
    mirror = -1.0 if u[0] < options.flip else 1.0
    angle, zoom = math.radians(_signed(u[1]) * options.rotate), 1 + _signed(u[2]) * options.scale
    move_x, move_y = _signed(u[3]) * options.shift * inner_width, _signed(u[4]) * options.shift * inner_height
    # Maps a point of the result to the point of the face shown there, both in pixels from the upper left corner.
    matrix = zoom * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    narrowed = 1 + _signed(turn) * options.turn
    matrix = matrix * [mirror * narrowed * inner_width / width, inner_height / height]
    offset = np.array([columns / 2 + move_x, rows / 2 + move_y]) - matrix @ [width / 2, height / 2]
    corners = matrix @ np.array([[0, width, 0, width], [0, 0, height, height]]) + offset[:, None]
    beyond = max(0.0, -float(corners.min()), float((corners.max(axis=1) - [columns, rows]).max()))
    if beyond > 1e-6:
        # Repeat the edge outside the photo: the network could learn from black corners.
        pad = math.ceil(beyond) + 1
        face = np.pad(face, ((pad, pad), (pad, pad), (0, 0)), mode="edge")
        offset = offset + pad
    coefficients = (*matrix[0].tolist(), float(offset[0]), *matrix[1].tolist(), float(offset[1]))
    return PIL.Image.fromarray(face).transform(size, PIL.Image.Transform.AFFINE, coefficients, _BILINEAR)


def _relit(image: PIL.Image.Image, options: AugmentSection, u: list[float]) -> PIL.Image.Image:
    """Change contrast (around the face's mean), brightness, saturation and colour of the light by one 3x4 matrix."""
    contrast, brightness = 1 + _signed(u[0]) * options.light, 255 * _signed(u[1]) * options.light / 2
    saturation = 1 + _signed(u[2]) * options.colour
    light = np.exp(np.array([_signed(u[3]), _signed(u[4]), _signed(u[5])]) * options.colour / 2)
    # Keep the brightness, which the option `light` changes.
    light /= light @ LUMA
    matrix = contrast * light[:, None] * (saturation * np.eye(3) + (1 - saturation) * LUMA)
    mean = float(np.asarray(image).mean())
    added = mean * (1 - contrast) + brightness
    return image.convert("RGB", np.column_stack([matrix, np.full(3, added)]).ravel().tolist())


def _cover(image: PIL.Image.Image, u: list[float]) -> None:
    """Paint a grey rectangle over the face, to imitate a hand, a scarf or another object in front of it."""
    low, high = COVER
    wide, tall = (round(side * (low + (high - low) * v)) for side, v in zip(image.size, u[:2], strict=True))
    left, top = round(u[2] * (image.width - wide)), round(u[3] * (image.height - tall))
    image.paste(GREY, (left, top, left + max(wide, 1), top + max(tall, 1)))


def _frame(image: PIL.Image.Image, u: list[float]) -> None:
    """Imitate a face at the edge of a photo: cover one to three sides, all rotated by one small angle."""
    side = image.width
    angle = math.radians(_signed(u[0]) * FRAME_ANGLE)
    colour = (0, 0, 0) if u[1] < FRAME_BLACK else tuple(round(255 * v) for v in (u[2], u[3], u[4]))
    sides = 1 + int(3 * u[5])
    first = int(4 * u[6])
    draw = ImageDraw.Draw(image)
    for number in range(sides):
        turned = angle + (first + number) * math.pi / 2
        depth = FRAME_DEPTH * side * u[7 + number % 2] * (1 if number == 0 else 0.6)
        along, across = np.array([math.cos(turned), math.sin(turned)]), np.array([-math.sin(turned), math.cos(turned)])
        start = np.array(image.size) / 2 + across * (side / 2 - depth)
        corners = [start - 2 * side * along, start + 2 * side * along]
        corners += [corner + 2 * side * across for corner in reversed(corners)]
        draw.polygon([tuple(corner) for corner in corners], fill=colour)


def _compressed(image: PIL.Image.Image, quality: int) -> PIL.Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return PIL.Image.open(file, formats=["JPEG"])


def _signed(u: float) -> float:
    return 2 * u - 1
