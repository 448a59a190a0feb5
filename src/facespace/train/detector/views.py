"""Square views of labelled photos for training batches: cropped, zoomed, mirrored, with other lighting."""

import io
import math
from typing import NamedTuple

import numpy as np
import PIL.Image
import PIL.ImageFilter
from numpy.typing import NDArray

from facespace.train.detector.network import STRIDES
from facespace.train.detector.photos import Labels

# Faces with a smaller square root of their area than this, in pixels, are ignored.
SMALLEST = 8.0
# Minimum visible share of the box of a face that is cut by the border.
SEEN = 0.4
# Minimum share of a view's side that lies in the photo, unless a face needs another size.
FILLED = 0.7
MIRRORED = [1, 0, 2, 4, 3]
_RESAMPLE = (PIL.Image.Resampling.BILINEAR, PIL.Image.Resampling.BICUBIC, PIL.Image.Resampling.BOX)


class View(NamedTuple):
    """A view and its faces: pixels (s, s, 3), boxes (k, 4), landmarks (k, 5, 2), trust (k,), ignored (s / 8, s / 8)."""

    pixels: NDArray[np.uint8]
    boxes: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    trust: NDArray[np.float32]
    ignored: NDArray[np.bool_]


def training_view(
    pixels: NDArray[np.uint8], labels: Labels, side: int, generator: np.random.Generator, portrait: bool = False
) -> View:
    """A random view of a photo.

    Half of the views of photos, and all of portraits, are cut around one of the faces so that it gets a size drawn
    evenly over the octaves; the others are cut anywhere, near the size that the photo has.
    """
    zoom, left, top = _window(pixels, labels, side, generator, portrait)
    canvas = _cut(pixels, zoom, left, top, side, generator)
    moved = (labels.boxes - np.array([left, top, left, top], np.float32)) * zoom
    points = (labels.landmarks - np.array([left, top], np.float32)) * zoom
    moved, points = moved.astype(np.float32), points.astype(np.float32)
    if generator.random() < 0.2:
        canvas, moved, points = _tilted(canvas, moved, points, generator)
    if generator.random() < 0.5:
        canvas = canvas[:, ::-1]
        moved = moved[:, [2, 1, 0, 3]] * np.array([-1, 1, -1, 1], np.float32) + np.array([side, 0, side, 0], np.float32)
        points = (points * np.array([-1, 1], np.float32) + np.array([side, 0], np.float32))[:, MIRRORED]
    canvas = _covered(_relit(np.ascontiguousarray(canvas), generator), moved, generator)
    return _judged(canvas, moved, points, labels, side)


def _window(
    pixels: NDArray[np.uint8], labels: Labels, side: int, generator: np.random.Generator, portrait: bool
) -> tuple[float, float, float]:
    """Zoom, and left and top of the view in pixels of the photo."""
    height, width = pixels.shape[:2]
    good = np.flatnonzero(~labels.ignored)
    if len(good) and (portrait or generator.random() < 0.5):
        box = labels.boxes[generator.choice(good)]
        size = math.sqrt(max(float((box[2] - box[0]) * (box[3] - box[1])), 1.0))
        low, high = (24, side * 1.4) if portrait else (9, side * 0.8)
        zoom = math.exp(generator.uniform(math.log(low), math.log(high))) / size
        zoom = min(max(zoom, 0.12 if portrait else 0.25), 2.5)
        middle, shift = (box[:2] + box[2:]) / 2, generator.uniform(-0.45, 0.45, 2)
        if size * zoom > side / 2:
            shift = shift * 0.5
        left, top = (middle + (shift - 0.5) * side / zoom).tolist()
        return zoom, left, top
    # A photo smaller than the view still fills most of it.
    low = min(max(0.4, FILLED * side / max(width, height)), 1.6)
    zoom = math.exp(generator.uniform(math.log(low), math.log(1.6)))
    spare = np.array([width, height]) - side / zoom
    left, top = (spare * generator.random(2)).tolist()
    return zoom, left, top


def _cut(
    pixels: NDArray[np.uint8], zoom: float, left: float, top: float, side: int, generator: np.random.Generator
) -> NDArray[np.uint8]:
    height, width = pixels.shape[:2]
    # The whole pixels of the canvas that lie in the photo.
    near = np.maximum(np.ceil(np.array([-left, -top]) * zoom), 0).astype(int)
    far = np.minimum(np.floor((np.array([width, height]) - [left, top]) * zoom), side).astype(int)
    fill = generator.integers(0, 256, 3) if generator.random() < 0.5 else np.zeros(3)
    canvas = np.empty((side, side, 3), np.uint8)
    canvas[:] = fill
    if (far - near).min() < 1:
        return canvas
    box = np.array([*(near / zoom + [left, top]), *(far / zoom + [left, top])])
    # Only the part that is needed is read from the file.
    corner = np.maximum(np.floor(box[:2]) - 4, 0).astype(int)
    end = np.minimum(np.ceil(box[2:]) + 4, [width, height]).astype(int)
    part = PIL.Image.fromarray(np.ascontiguousarray(pixels[corner[1] : end[1], corner[0] : end[0]]))
    inner = np.clip(box - np.tile(corner, 2), 0, np.tile(part.size, 2))
    size = tuple((far - near).tolist())
    drawn = part.resize(size, _RESAMPLE[generator.integers(3)], tuple(inner.tolist()))
    canvas[near[1] : far[1], near[0] : far[0]] = np.asarray(drawn)
    return canvas


def _tilted(
    canvas: NDArray[np.uint8], boxes: NDArray[np.float32], points: NDArray[np.float32], generator: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]]:
    """The view turned by up to 25 degrees; boxes keep their size."""
    degrees = generator.uniform(-25, 25)
    turned = np.asarray(PIL.Image.fromarray(canvas).rotate(degrees, PIL.Image.Resampling.BILINEAR))
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    turn = np.array([[cosine, -sine], [sine, cosine]], np.float32)
    middle = np.array(len(canvas) / 2, np.float32)
    half = (boxes[:, 2:] - boxes[:, :2]) / 2
    centres = ((boxes[:, :2] + boxes[:, 2:]) / 2 - middle) @ turn + middle
    moved = np.concatenate([centres - half, centres + half], axis=1).astype(np.float32)
    return turned, moved, ((points - middle) @ turn + middle).astype(np.float32)


def _relit(canvas: NDArray[np.uint8], generator: np.random.Generator) -> NDArray[np.uint8]:
    """Change light and colours; sometimes make it grey, blurred, noisy or compressed."""
    chance = generator.random(7)
    curve = np.arange(256, dtype=np.float32)[:, None] / 255
    if chance[0] < 0.06:
        curve = curve * generator.uniform(0.12, 0.5)
    elif chance[0] < 0.7:
        contrast, light = generator.uniform(0.6, 1.4), generator.uniform(-0.2, 0.2)
        curve = ((curve - 0.5) * contrast + 0.5 + light).clip(0, 1) ** generator.uniform(0.7, 1.4)
    if chance[1] < 0.4:
        curve = curve * generator.uniform(0.7, 1.3, 3)
    table = (np.broadcast_to(curve, (256, 3)) * 255).clip(0, 255).astype(np.uint8)
    image = PIL.Image.fromarray(canvas)
    image = image.point(table.T.ravel().tolist())
    if chance[2] < 0.1:
        image = image.convert("L").convert("RGB")
    if chance[3] < 0.08:
        image = image.filter(PIL.ImageFilter.BoxBlur(generator.uniform(0.5, 1.5)))
    if chance[4] < 0.1:
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=int(generator.integers(20, 80)))
        image = PIL.Image.open(buffer)
    canvas = np.array(image)
    if chance[5] < 0.06:
        noise = generator.normal(0, generator.uniform(4, 16), canvas.shape[:2]).astype(np.int16)[..., None]
        canvas = (canvas.astype(np.int16) + noise).clip(0, 255).astype(np.uint8)
    return canvas


def _covered(
    canvas: NDArray[np.uint8], boxes: NDArray[np.float32], generator: np.random.Generator
) -> NDArray[np.uint8]:
    """Sometimes cover part of one large face."""
    large = np.flatnonzero((boxes[:, 2] - boxes[:, 0]) > 32)
    if not len(large) or generator.random() > 0.2:
        return canvas
    box = boxes[generator.choice(large)]
    size = (box[2:] - box[:2]) * generator.uniform(0.2, 0.55, 2)
    corner = box[:2] + (box[2:] - box[:2] - size) * generator.random(2)
    left, top, right, bottom = np.clip([*corner, *(corner + size)], 0, len(canvas)).astype(int)
    if generator.random() < 0.5:
        canvas[top:bottom, left:right] = generator.integers(0, 256, 3)
    else:
        # A piece of the view itself, such as hair, cloth or a hand.
        x, y = generator.integers(0, np.maximum(len(canvas) - np.array([right - left, bottom - top]), 1))
        canvas[top:bottom, left:right] = canvas[y : y + bottom - top, x : x + right - left].copy()
    return canvas


def _judged(
    canvas: NDArray[np.uint8], boxes: NDArray[np.float32], points: NDArray[np.float32], labels: Labels, side: int
) -> View:
    """Select the faces that count, with boxes cut to their visible part."""
    clipped = boxes.clip(0, side)
    area = (boxes[:, 2:] - boxes[:, :2]).clip(0).prod(axis=1)
    seen = (clipped[:, 2:] - clipped[:, :2]).clip(0).prod(axis=1)
    size = np.sqrt(seen)
    good = ~labels.ignored & (seen >= SEEN * area) & (size >= SMALLEST)
    ignored = np.zeros((side // STRIDES[0],) * 2, bool)
    for left, top, right, bottom in (clipped[~good & (seen > 0)] / STRIDES[0]).tolist():
        ignored[math.floor(top) : math.ceil(bottom), math.floor(left) : math.ceil(right)] = True
    trust = labels.trust * np.clip((size - 6) / 18, 0.1, 1) * np.where(seen < 0.8 * area, 0.5, 1)
    return View(canvas, clipped[good], points[good], trust[good].astype(np.float32), ignored)
