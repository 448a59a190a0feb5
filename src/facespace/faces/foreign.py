"""Detectors made elsewhere: an ONNX file, with a card beside it that says how to read its outputs.

Four layouts are known. Each is decoded to boxes, landmarks and scores of the network's own input:

- 'scrfd': Guo, Deng, Lattas, Zafeiriou: Sample and Computation Redistribution for Efficient Face Detection, 2021, as
  exported by InsightFace: for strides 8, 16, 32 first all scores, then all distances to the edges, then all landmarks.
- 'retinaface': Deng, Guo, Ververas, Kotsia, Zafeiriou: RetinaFace, 2020, as exported from PyTorch: offsets of prior
  boxes, two classes, landmarks.
- 'yunet': Wu, Peng, Yu: YuNet, a tiny millisecond-level face detector, 2023, as in OpenCV's zoo: cls, obj, bbox, kps
  for strides 8, 16, 32.
- 'centerface': Xu, Yan, Sun, Yang, Luo: CenterFace: Joint Face Detection and Alignment Using Face as Point, 2019, as
  its authors exported it: at stride 4 a heat map, logarithms of height and width, offsets and landmarks.
"""

import os
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from facespace.errors import ModelError
from facespace.faces.boxes import suppress
from facespace.faces.detection import Detections
from facespace.images import resize
from facespace.textfile import read_toml
from facespace.validation import explain

STRIDES = (8, 16, 32)
# Sides of RetinaFace's prior boxes at each stride, and the factors its offsets were trained with.
PRIORS = {8: (16, 32), 16: (64, 128), 32: (256, 512)}
CENTRE, SIZE = 0.1, 0.2
# Pixels of a cell of CenterFace, and the columns of its four outputs: heat, sizes, offsets, landmarks.
CELL = 4
CHANNELS = (1, 2, 2, 10)

Outputs = Sequence[NDArray[np.float32]]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]


class DetectorCard(BaseModel):
    """How to run a detector and read its outputs; the input is (pixel - mean) / std for each channel."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    layout: Literal["scrfd", "retinaface", "yunet", "centerface"]
    width: Annotated[int, Field(gt=0, multiple_of=32)]
    height: Annotated[int, Field(gt=0, multiple_of=32)]
    colour: Literal["RGB", "BGR"]
    mean: tuple[float, float, float]
    std: tuple[Positive, Positive, Positive]
    score: Share = 0.5
    overlap: Share = 0.4


class _Raw(NamedTuple):
    """Boxes (n, 4), landmarks (n, 5, 2) and scores (n,) in pixels of the network's input."""

    boxes: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    scores: NDArray[np.float32]


class ForeignDetector:
    """A detector from an ONNX file and a TOML card of the same name beside it. Threads may share it.

    Parameters
    ----------
    path : path of the ONNX file

    Raises
    ------
    ModelError
        The file does not exist, has no card (the message shows one to write) or an invalid one, or its outputs do not
        have the layout that the card names.
    """

    gives_landmarks = True
    second_look = None

    def __init__(self, path: str | os.PathLike[str]):
        self._path = Path(path)
        self.card = _read_card(self._path)
        options = ort.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = 1
        try:
            self._session = ort.InferenceSession(self._path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's exceptions share no public parent
            raise ModelError(f"onnxruntime cannot load {path}: {error}") from None
        # A run on an empty image checks that the outputs match the card.
        self._look(np.zeros((self.card.height, self.card.width, 3), np.uint8))

    def __call__(self, images: Sequence[NDArray[np.uint8]]) -> list[Detections]:
        """Find the faces of each RGB image (h, w, 3), best first; each image is scaled to fit the network's input."""
        return [self._detect(image) for image in images]

    def _detect(self, image: NDArray[np.uint8]) -> Detections:
        card, (rows, columns) = self.card, image.shape[:2]
        scale = min(card.width / columns, card.height / rows)
        width, height = max(1, round(columns * scale)), max(1, round(rows * scale))
        # Placed at the top left; the rest of the canvas stays black.
        canvas = np.zeros((card.height, card.width, 3), np.uint8)
        canvas[:height, :width] = resize(image, width, height)
        raw = self._look(canvas)
        sure = raw.scores >= card.score
        boxes, landmarks, scores = raw.boxes[sure], raw.landmarks[sure], raw.scores[sure]
        kept = suppress(boxes, scores, card.overlap)
        back = np.array([columns / width, rows / height], np.float32)
        return Detections(
            boxes=boxes[kept] * np.tile(back, 2),
            landmarks=(landmarks[kept] * back - np.float32(0.5)).astype(np.float32),
            scores=np.clip(scores[kept], 0, 1),
        )

    def _look(self, canvas: NDArray[np.uint8]) -> _Raw:
        card = self.card
        channels = canvas if card.colour == "RGB" else canvas[..., ::-1]
        pixels = (channels - np.array(card.mean, np.float32)) / np.array(card.std, np.float32)
        batch = np.ascontiguousarray(pixels.transpose(2, 0, 1)[None], np.float32)
        try:
            outputs = self._session.run(None, {self._session.get_inputs()[0].name: batch})
            raw = LAYOUTS[card.layout](by_cell(outputs, card.layout), card.width, card.height)
        except Exception as error:
            raise ModelError(
                f"the outputs of {self._path} do not match its card, the layout {card.layout!r} at "
                f"{card.width}x{card.height}: {error}"
            ) from None
        return raw


def _cells(width: int, height: int, stride: int, anchors: int) -> NDArray[np.float32]:
    """Column and row of each cell at a stride, repeated for each anchor; (n, 2)."""
    rows, columns = np.mgrid[: height // stride, : width // stride]
    return np.repeat(np.stack([columns.ravel(), rows.ravel()], axis=1), anchors, axis=0).astype(np.float32)


def _scrfd(outputs: Outputs, width: int, height: int) -> _Raw:
    if len(outputs) != 9:
        raise ValueError(f"it has {len(outputs)} outputs, not scores, boxes and landmarks at three strides")
    parts = []
    for number, stride in enumerate(STRIDES):
        scores, edges, points = outputs[number], outputs[number + 3], outputs[number + 6]
        anchors = len(scores) // ((width // stride) * (height // stride))
        centres = _cells(width, height, stride, anchors) * stride
        near, far = centres - edges[:, :2] * stride, centres + edges[:, 2:] * stride
        landmarks = centres[:, None] + points.reshape(-1, 5, 2) * stride
        parts.append(_Raw(np.concatenate([near, far], axis=1), landmarks, scores[:, 0]))
    return _joined(parts)


def _retinaface(outputs: Outputs, width: int, height: int) -> _Raw:
    by_columns = {output.shape[1]: output for output in outputs}
    if set(by_columns) != {2, 4, 10}:
        raise ValueError(f"its outputs have {sorted(by_columns)} columns, not 2, 4 and 10")
    priors = np.concatenate(
        [
            np.concatenate(
                [
                    (_cells(width, height, stride, len(sides)) + 0.5) * stride,
                    np.tile(np.repeat(np.array(sides, np.float32)[:, None], 2, axis=1), (cells, 1)),
                ],
                axis=1,
            )
            for stride, sides in PRIORS.items()
            for cells in [(width // stride) * (height // stride)]
        ]
    )
    centres, sides = priors[:, :2], priors[:, 2:]
    offsets, points = by_columns[4], by_columns[10].reshape(-1, 5, 2)
    middle, size = centres + offsets[:, :2] * CENTRE * sides, sides * np.exp(offsets[:, 2:] * SIZE)
    boxes = np.concatenate([middle - size / 2, middle + size / 2], axis=1)
    return _Raw(boxes, centres[:, None] + points * CENTRE * sides[:, None], by_columns[2][:, 1])


def _yunet(outputs: Outputs, width: int, height: int) -> _Raw:
    if len(outputs) != 12:
        raise ValueError(f"it has {len(outputs)} outputs, not cls, obj, bbox and kps at three strides")
    parts = []
    for number, stride in enumerate(STRIDES):
        classes, objects, offsets, points = outputs[number::3]
        cells = _cells(width, height, stride, 1)
        middle, size = (cells + offsets[:, :2]) * stride, np.exp(offsets[:, 2:]) * stride
        boxes = np.concatenate([middle - size / 2, middle + size / 2], axis=1)
        scores = np.sqrt(np.clip(classes[:, 0], 0, 1) * np.clip(objects[:, 0], 0, 1))
        parts.append(_Raw(boxes, (cells[:, None] + points.reshape(-1, 5, 2)) * stride, scores))
    return _joined(parts)


def by_cell(outputs: Outputs, layout: str) -> Outputs:
    """A row for each cell; some exports have an axis for the batch and some have none, and maps have channels first."""
    rows = [output.transpose(0, 2, 3, 1) for output in outputs] if layout == "centerface" else outputs
    return [output.reshape(-1, output.shape[-1]).astype(np.float32) for output in rows]


def _centerface(outputs: Outputs, width: int, height: int) -> _Raw:
    channels = tuple(output.shape[1] for output in outputs)
    if channels != CHANNELS:
        raise ValueError(f"its maps have {channels} channels, not {CHANNELS}: heat, sizes, offsets, landmarks")
    heat, sizes, offsets, points = outputs
    # Height before width, down before across, in all of them.
    across_down = [1, 0]
    middle = (_cells(width, height, CELL, 1) + offsets[:, across_down] + np.float32(0.5)) * CELL
    # An untrained or damaged network may say anything; beyond 2^30 pixels it makes no difference.
    size = np.exp(np.minimum(sizes[:, across_down], 20)) * CELL
    near = middle - size / 2
    landmarks = near[:, None] + points.reshape(-1, 5, 2)[:, :, across_down] * size[:, None]
    return _Raw(np.concatenate([near, middle + size / 2], axis=1), landmarks, heat[:, 0])


def _joined(parts: Sequence[_Raw]) -> _Raw:
    return _Raw(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


LAYOUTS: dict[str, Callable[[Outputs, int, int], _Raw]] = {
    "scrfd": _scrfd,
    "retinaface": _retinaface,
    "yunet": _yunet,
    "centerface": _centerface,
}


def _read_card(path: Path) -> DetectorCard:
    beside = path.with_suffix(".toml")
    if not path.is_file():
        raise ModelError(f"there is no detector at {path}; check the path")
    try:
        return DetectorCard.model_validate(read_toml(beside))
    except OSError:
        raise ModelError(_HOW_TO_WRITE_A_CARD.format(path=path, beside=beside)) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ModelError(f"{beside} is not TOML: {error}") from None
    except ValidationError as error:
        raise ModelError(f"the detector's card {beside} is invalid:\n{explain(error, DetectorCard)}") from None


_HOW_TO_WRITE_A_CARD = """\
the detector {path} has no card, so it is not known how to run it. Write this into {beside}, with its own values:

layout = "scrfd"             # or "retinaface", "yunet", "centerface"
width = 640                  # of the network's input; photos are scaled to fit
height = 640
colour = "RGB"
mean = [127.5, 127.5, 127.5]
std = [128.0, 128.0, 128.0]
score = 0.5                  # faces with lower scores are dropped
overlap = 0.4                # of two boxes that overlap more, the better one is kept"""
