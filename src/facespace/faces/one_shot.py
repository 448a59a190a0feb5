"""A detector that finds every face in one pass: boxes, scores and five landmarks from one network.

docs/decisions/014-one-shot-detector.md describes the network, its training and its accuracy.
"""

import math
import threading
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from facespace.errors import ModelError
from facespace.faces.boxes import suppress
from facespace.faces.dark import lit
from facespace.faces.detection import Detections, SecondLook
from facespace.faces.detector_file import CELLS, STRIDES, DetectorModelCard, read_detector, shipped_detector
from facespace.faces.mtcnn import Mtcnn
from facespace.faces.refine import lowest_score, refined
from facespace.images import resize

# The sides of the network's input are multiples of this, so that the maps of all strides align.
GRAIN = 32
# Maximum longer side of the network's input, in pixels.
LONGEST = 1024
# Larger photos are searched once more at this longer side, because faces that fill them are larger than the receptive
# field of a cell. This takes a tenth more time. Only faces of at least the share LARGE of that side are used from
# there, because smaller ones are found better at the first size.
SMALL, LARGE = 320, 0.25
# Of two boxes that overlap by more than this share of their union, the one with the higher score is kept.
SAME = 0.4
# The same if the larger covers more than this share of the smaller.
COVERED = 0.8
# Overlap of the tiles of a large photo, in pixels. Larger faces are found in the scaled photo.
OVERLAP = 128
# Maximum number of pixels in one run of the network, because its intermediate results take 200 bytes for each.
RUN = 1024 * 1024
# Maximum number of faces in a photo; those with the highest scores are kept.
MOST = 5000


class Candidates(NamedTuple):
    """Boxes (n, 4), landmarks (n, 5, 2) and scores (n,) in pixels of the input, measured from pixel edges."""

    boxes: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    scores: NDArray[np.float32]


class _Piece(NamedTuple):
    """A part of a photo as input of the network: its position in the photo, its scale, and its pixels.

    inner : which of its borders (left, top, right, bottom) lie inside the photo
    least : faces whose larger side is smaller than this, in pixels of the piece, are left out
    """

    photo: int
    left: float
    top: float
    scale: tuple[float, float]
    pixels: NDArray[np.uint8]
    inner: tuple[bool, bool, bool, bool]
    least: float = 0


class OneShot:
    """Find faces with their five landmarks. Safe to share between threads.

    Parameters
    ----------
    model : path or None
        A detector made by `facespace train detector`; None for the one that ships with the package.
    score : float or None
        Faces with lower scores are left out. None for the score on the card, which also states the number of false
        boxes per photo at that score.
    smallest : int or None
        Side in pixels of the smallest faces to find. A photo is scaled down to 1,024 pixels, in which faces from 10
        pixels are found. If that would lose faces of this size, the photo is also searched in tiles, in time that
        grows with its number of pixels. None never uses tiles.
    threads : int
        Threads of the network.

    Raises
    ------
    ModelError
        The file is not a detector of this layout, or is damaged.
    """

    gives_landmarks = True
    # docs/decisions/014-one-shot-detector.md.
    second_look = SecondLook(unsure=0.7, sure=0.75)

    def __init__(
        self, model: str | Path | None = None, score: float | None = None, smallest: int | None = None, threads: int = 1
    ):
        self._path = shipped_detector() if model is None else Path(model)
        self._asked = score
        self._smallest = smallest
        self._threads = threads
        self._exact = Mtcnn()
        self._lock = threading.Lock()

    @property
    def card(self) -> DetectorModelCard:
        """The card in the detector's file."""
        return self._read[0]

    def __call__(self, images: Sequence[NDArray[np.uint8]]) -> list[Detections]:
        """Find the faces of each RGB image (h, w, 3), best first; images of equal size are processed together."""
        threshold = self.card.score if self._asked is None else self._asked
        lowest = lowest_score(threshold)
        found: list[list[Candidates]] = [[] for _ in images]
        # Photos are cut into pieces lazily, to limit memory to the pixels of about one run for each shape.
        waiting: dict[tuple[int, int], list[_Piece]] = {}
        for piece in self._pieces(images):
            shape = tuple(-(-side // GRAIN) * GRAIN for side in piece.pixels.shape[:2])
            group = waiting.setdefault((shape[0], shape[1]), [])
            group.append(piece)
            if (len(group) + 1) * shape[0] * shape[1] > RUN:
                self._look(group, (shape[0], shape[1]), lowest, found)
                group.clear()
        for shape, group in waiting.items():
            if group:
                self._look(group, shape, lowest, found)
        results = []
        for image, parts in zip(images, found, strict=True):
            # Refined boxes of two candidates may come to lie on one face.
            faces = _distinct(refined(image, _merged(parts), self._exact))
            results.append(_chosen(faces, faces.scores >= threshold))
        return results

    @cached_property
    def _read(self) -> tuple[DetectorModelCard, bytes]:
        return read_detector(self._path)

    @cached_property
    def _session(self) -> ort.InferenceSession:
        options = ort.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = self._threads
        try:
            return ort.InferenceSession(self._read[1], options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's exceptions share no public parent
            raise ModelError(f"onnxruntime cannot load the detector {self._path}: {error}") from None

    def _pieces(self, images: Sequence[NDArray[np.uint8]]) -> Iterator[_Piece]:
        for number, whole in enumerate(images):
            image = lit(whole)
            height, width = image.shape[:2]
            longest = max(height, width)
            whole_scale = min(1.0, LONGEST / longest)
            wanted = whole_scale if self._smallest is None else min(1.0, self.card.smallest / self._smallest)
            if wanted > whole_scale:
                yield from _tiles(number, image, wanted)
            yield _scaled(number, image, whole_scale)
            if longest * whole_scale > 2 * SMALL:
                yield _scaled(number, image, SMALL / longest)._replace(least=LARGE * SMALL)

    def _look(
        self, pieces: list[_Piece], shape: tuple[int, int], threshold: float, found: list[list[Candidates]]
    ) -> None:
        """Run the network on pieces that fit one shape, and add what it finds to `found` of their photos."""
        batch = np.zeros((len(pieces), *shape, 3), np.uint8)
        for place, piece in zip(batch, pieces, strict=True):
            place[: piece.pixels.shape[0], : piece.pixels.shape[1]] = piece.pixels
        with self._lock:
            session = self._session
        try:
            maps = session.run(None, {session.get_inputs()[0].name: batch})
        except Exception as error:
            raise ModelError(f"the detector {self._path} cannot be run on {batch.shape}: {error}") from None
        if len(maps) != len(STRIDES) or any(level.shape[1] != 15 for level in maps):
            raise ModelError(f"the outputs of {self._path} do not match its card: three maps of 15 channels are needed")
        for index, piece in enumerate(pieces):
            found[piece.photo].append(_placed(decode_maps([level[index] for level in maps], threshold), piece))


def decode_maps(maps: Sequence[NDArray[np.float32]], threshold: float) -> Candidates:
    """Decode the network's maps (15, h / s, w / s) of one input, in cells whose score reaches the threshold.

    Each cell holds the logit of its score, the offset of the box's centre from the cell's centre in cells, the
    logarithms of the box's sides divided by 4 cells, and the landmarks relative to the box's centre, in units of the
    square root of its area.
    """
    logit = np.log(threshold / (1 - threshold))
    parts = []
    for stride, values in zip(STRIDES, maps, strict=True):
        rows, columns = np.nonzero(values[0] >= logit)
        own = values[:, rows, columns].T
        middle = (np.stack([columns, rows], axis=1) + np.float32(0.5) + own[:, 1:3]) * stride
        size: NDArray[np.float32] = np.exp(np.clip(own[:, 3:5], -4, 4)) * np.float32(stride * CELLS)
        unit = np.sqrt(size.prod(axis=1))[:, None, None]
        points = middle[:, None] + own[:, 5:].reshape(-1, 5, 2) * unit
        scores = 1 / (1 + np.exp(-own[:, 0]))
        parts.append((np.concatenate([middle - size / 2, middle + size / 2], axis=1), points, scores))
    return Candidates(*(np.concatenate(columns).astype(np.float32) for columns in zip(*parts, strict=True)))


def _scaled(number: int, image: NDArray[np.uint8], scale: float) -> _Piece:
    """The whole photo, scaled down."""
    height, width = image.shape[:2]
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    pixels = image if size == (width, height) else resize(image, *size)
    return _Piece(number, 0, 0, (size[0] / width, size[1] / height), pixels, (False,) * 4)


def _tiles(number: int, image: NDArray[np.uint8], scale: float) -> Iterator[_Piece]:
    """Overlapping parts of a photo, each of at most `LONGEST` pixels a side at this scale."""
    height, width = image.shape[:2]
    side, step = LONGEST / scale, (LONGEST - OVERLAP) / scale
    for row in range(max(1, math.ceil((height * scale - OVERLAP) / (LONGEST - OVERLAP)))):
        for column in range(max(1, math.ceil((width * scale - OVERLAP) / (LONGEST - OVERLAP)))):
            left, top = int(column * step), int(row * step)
            right, bottom = min(width, int(left + side)), min(height, int(top + side))
            part = _scaled(number, image[top:bottom, left:right], scale)
            inner = (left > 0, top > 0, right < width, bottom < height)
            yield part._replace(left=left, top=top, inner=inner)


def _placed(seen: Candidates, piece: _Piece) -> Candidates:
    """Convert candidates of a piece to pixels of the photo; drop faces that are cut by a border inside the photo."""
    rows, columns = piece.pixels.shape[:2]
    # Drop boxes in the padding.
    middle = (seen.boxes[:, :2] + seen.boxes[:, 2:]) / 2
    kept = ((middle > 0) & (middle < [columns, rows])).all(axis=1)
    kept &= (seen.boxes[:, 2:] - seen.boxes[:, :2]).max(axis=1, initial=0) >= piece.least
    if any(piece.inner):
        edge = np.array([0, 0, columns, rows], np.float32)
        near = np.abs(seen.boxes - edge) < 2
        beyond = np.concatenate([seen.boxes[:, :2] < 0, seen.boxes[:, 2:] > [columns, rows]], axis=1)
        kept &= ~((near | beyond) & np.array(piece.inner)).any(axis=1)
    scale, corner = np.array(piece.scale, np.float32), np.array([piece.left, piece.top], np.float32)
    boxes = seen.boxes[kept].reshape(-1, 2, 2) / scale + corner
    return Candidates(boxes.reshape(-1, 4), seen.landmarks[kept] / scale + corner, seen.scores[kept])


def _merged(parts: Sequence[Candidates]) -> Detections:
    """Merge the candidates from all pieces of a photo to one detection per face."""
    boxes, landmarks, scores = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    if len(scores) > MOST:
        best = np.argsort(-scores, kind="stable")[:MOST]
        boxes, landmarks, scores = boxes[best], landmarks[best], scores[best]
    return _distinct(Detections(boxes, landmarks - np.float32(0.5), scores))


def _distinct(found: Detections) -> Detections:
    """One detection per face, highest score first."""
    kept = suppress(found.boxes, found.scores, SAME)
    return _chosen(found, kept[suppress(found.boxes[kept], found.scores[kept], COVERED, over="smaller")])


def _chosen(found: Detections, which: NDArray[np.intp] | NDArray[np.bool_]) -> Detections:
    landmarks = None if found.landmarks is None else found.landmarks[which]
    return Detections(found.boxes[which], landmarks, found.scores[which])
