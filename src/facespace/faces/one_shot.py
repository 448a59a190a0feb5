"""A detector with one network, which gives boxes, scores and five landmarks at once.

Photos are searched as a whole and, if they are large, as a small copy. A part with uncertain candidates is searched
once more (`facespace.faces.closer`).

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
from facespace.faces import closer
from facespace.faces.candidates import Candidates, best_boxes, decode_maps, joined, mirrored
from facespace.faces.dark import brightened, gain, lit
from facespace.faces.detection import Detections, SecondLook
from facespace.faces.detector_file import STRIDES, DetectorModelCard, read_detector, shipped_detector
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
# Overlap of the tiles of a large photo, in pixels. Larger faces are found in the scaled photo.
OVERLAP = 128
# Maximum number of pixels in one run of the network, because its intermediate results take 200 bytes for each.
RUN = 1024 * 1024
# The same for a closer look at a part of a photo: a large part is enlarged less.
CLOSER_RUN = 1.5 * RUN
# Maximum number of faces in a photo; those with the highest scores are kept.
MOST = 5000


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


class _Seen(NamedTuple):
    """Candidates of a piece in pixels of the photo, and its scale; None if no closer look is to follow."""

    candidates: Candidates
    scale: float | None


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
    second_look = SecondLook(unsure=0.98, sure=0.75)

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
        # The closer look compares lower scores too, whatever the threshold.
        decoded = min(lowest, closer.LEAST)
        found: list[list[_Seen]] = [[] for _ in images]
        # Photos are cut into pieces lazily, to limit memory to the pixels of about one run for each shape.
        waiting: dict[tuple[int, int], list[_Piece]] = {}
        for piece in self._pieces(images):
            shape = _shape(piece)
            group = waiting.setdefault(shape, [])
            group.append(piece)
            if (len(group) + 1) * shape[0] * shape[1] > RUN:
                self._look(group, shape, decoded, found)
                group.clear()
        for shape, group in waiting.items():
            if group:
                self._look(group, shape, decoded, found)
        results = []
        for image, parts in zip(images, found, strict=True):
            seen = joined([self._checked(image, *part) for part in parts])
            merged = _merged(seen.chosen(seen.scores >= lowest))
            # Refined boxes of two candidates may come to lie on one face.
            faces = _distinct(refined(image, merged, self._exact))
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

    def _look(self, pieces: list[_Piece], shape: tuple[int, int], threshold: float, found: list[list[_Seen]]) -> None:
        """Run the network on pieces that fit one shape, and add what it finds to `found` of their photos."""
        maps = self._maps(_batch(pieces, shape))
        for index, piece in enumerate(pieces):
            seen = decode_maps([level[index] for level in maps], threshold)
            # Small copies are for large faces, which gain nothing from a closer look.
            found[piece.photo].append(_Seen(_placed(seen, piece), None if piece.least else min(piece.scale)))

    def _checked(self, image: NDArray[np.uint8], first: Candidates, scale: float | None) -> Candidates:
        """Look more closely at the part of the photo that has uncertain candidates."""
        if scale is None:
            return first
        first = _highest(first).distinct()
        height, width = image.shape[:2]
        part = closer.uncertain_part(first, width, height, scale)
        if part is None:
            return first
        pixels = brightened(part.of(image), gain(image))
        larger = min(closer.ZOOM * scale, max(scale, math.sqrt(CLOSER_RUN / (pixels.shape[0] * pixels.shape[1]))))
        piece = _located(_scaled(0, np.ascontiguousarray(pixels[:, ::-1]), larger), part, width, height)
        maps = self._maps(_batch([piece], _shape(piece)))
        seen = mirrored(decode_maps([level[0] for level in maps], closer.LEAST), piece.pixels.shape[1])
        return closer.combined(first, _placed(seen, piece).distinct(), part, width, height, scale)

    def _maps(self, batch: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """Run the network on a batch (n, h, w, 3); returns its maps (n, 15, h / s, w / s) for the three strides."""
        with self._lock:
            session = self._session
        try:
            maps: list[NDArray[np.float32]] = session.run(None, {session.get_inputs()[0].name: batch})
        except Exception as error:
            raise ModelError(f"the detector {self._path} cannot be run on {batch.shape}: {error}") from None
        if len(maps) != len(STRIDES) or any(level.shape[1] != 15 for level in maps):
            raise ModelError(f"the outputs of {self._path} do not match its card: three maps of 15 channels are needed")
        return maps


def _shape(piece: _Piece) -> tuple[int, int]:
    """Height and width of the network's input for a piece."""
    height, width = (-(-side // GRAIN) * GRAIN for side in piece.pixels.shape[:2])
    return height, width


def _batch(pieces: Sequence[_Piece], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """The pixels of pieces, padded to one shape."""
    batch = np.zeros((len(pieces), *shape, 3), np.uint8)
    for place, piece in zip(batch, pieces, strict=True):
        place[: piece.pixels.shape[0], : piece.pixels.shape[1]] = piece.pixels
    return batch


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
            part = closer.Part(left, top, min(width, int(left + side)), min(height, int(top + side)))
            yield _located(_scaled(number, part.of(image), scale), part, width, height)


def _located(piece: _Piece, part: closer.Part, width: int, height: int) -> _Piece:
    """Say of a piece which part of the photo it is."""
    return piece._replace(left=part.left, top=part.top, inner=part.inner(width, height))


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


def _merged(found: Candidates) -> Detections:
    """Merge the candidates from all pieces of a photo to one detection per face."""
    found = _highest(found).distinct()
    return Detections(found.boxes, found.landmarks - np.float32(0.5), found.scores)


def _highest(found: Candidates) -> Candidates:
    return found if len(found.scores) <= MOST else found.chosen(np.argsort(-found.scores, kind="stable")[:MOST])


def _distinct(found: Detections) -> Detections:
    """One detection per face, highest score first."""
    return _chosen(found, best_boxes(found.boxes, found.scores))


def _chosen(found: Detections, which: NDArray[np.intp] | NDArray[np.bool_]) -> Detections:
    landmarks = None if found.landmarks is None else found.landmarks[which]
    return Detections(found.boxes[which], landmarks, found.scores[which])
