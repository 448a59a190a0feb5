"""Training labels: boxes drawn by people, and landmarks predicted by other networks.

Landmarks come from MTCNN's third network, whose geometry is exact (docs/decisions/010-detector.md), looking at each
labelled box, where it is sure and a second detector, the teacher, agrees; else from the teacher, whose landmarks are
first brought into MTCNN's geometry by a linear map found where both see the face. What the teacher sees and nobody
labelled is not judged in training.
"""

import argparse
import gzip
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from facespace.errors import DataError, FacespaceError, ImageError
from facespace.faces import Detections, Detector, Mtcnn, detector_from
from facespace.faces.boxes import overlaps
from facespace.images import decode_photo
from facespace.train.detector.photos import Labels, write_labels

Floats = NDArray[np.float32]
# Faces with smaller sides than this, in pixels, get no landmarks.
SEEN = 16
# Minimum scores: of MTCNN's third network alone, of it if the teacher agrees, and of the teacher.
SURE, LIKELY, TEACHER = 0.9, 0.5, 0.3
# Maximum distance between landmarks that agree, as a share of the face.
AGREE = 0.06
# Weights of landmarks that both agree on, of the third network's alone, and of the teacher's.
BOTH, ALONE, CORRECTED = 1.0, 0.5, 0.7


class Seen(NamedTuple):
    """Outputs of both networks for the labelled boxes of a photo; landmarks are measured from pixel edges."""

    boxes: Floats
    exact: Floats
    exact_scores: Floats
    taught: Floats
    taught_scores: Floats
    taught_boxes: Floats
    others: Floats


def read_boxes(path: Path) -> dict[str, Floats]:
    """Read boxes by photo in the format of WIDER FACE: name, number of faces, then a line x, y, width, height for each.

    Returns
    -------
    dict of float32 arrays (k, 4) : left, top, right, bottom

    Raises
    ------
    DataError
        The file cannot be read, or is not of this form; the message names the line.
    """
    try:
        content = path.read_bytes()
        text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read the boxes {path}: {error}") from None
    lines = [line.strip() for line in text.splitlines()]
    boxes: dict[str, Floats] = {}
    at = 0
    try:
        while at < len(lines):
            if not lines[at]:
                at += 1
                continue
            name, count = lines[at], int(lines[at + 1])
            rows = [[float(number) for number in line.split()[:4]] for line in lines[at + 2 : at + 2 + count]]
            own = np.array(rows, np.float32).reshape(count, 4)
            own[:, 2:] += own[:, :2]
            boxes[name] = own
            at += 2 + count
            # A photo without faces has a line of zeros in some editions.
            if count == 0 and at < len(lines) and lines[at].split()[:4] == ["0"] * 4:
                at += 1
    except (ValueError, IndexError):
        raise DataError(
            f"{path} is not a list of boxes: no photo (name, count, boxes) begins in line {at + 1}"
        ) from None
    return boxes


def make_labels(
    photos: Path, boxes: dict[str, Floats], teacher: Detector, out: Path, warn: Callable[[str], None]
) -> int:
    """Run both networks on every photo and write the labels; returns the number of known landmarks.

    Raises
    ------
    DataError
        No photo could be read.
    """
    mtcnn, seen = Mtcnn(), {}
    for name, own in boxes.items():
        try:
            image = decode_photo(photos / name).pixels
        except ImageError as error:
            warn(f"{error}; left out")
            continue
        seen[name] = look(image, own, teacher, mtcnn)
    if not seen:
        raise DataError(f"{photos} contains none of the {len(boxes)} photos in the list of boxes")
    correction = fit_correction(seen.values())
    labels = {name: label(one, correction) for name, one in seen.items()}
    write_labels(out, labels)
    return sum(int((own.trust > 0).sum()) for own in labels.values())


def look(image: NDArray[np.uint8], boxes: Floats, teacher: Detector, mtcnn: Mtcnn) -> Seen:
    """Run both networks on the boxes (k, 4) of a photo."""
    sides = boxes[:, 2:] - boxes[:, :2]
    large = np.flatnonzero((sides.max(axis=1, initial=0) >= SEEN) & (sides.min(axis=1, initial=np.inf) >= SEEN / 2))
    exact, scores = np.zeros((len(boxes), 5, 2), np.float32), np.zeros(len(boxes), np.float32)
    if len(large):
        _, exact[large], scores[large] = mtcnn.faces_in(image, boxes[large])
    found = teacher([image])[0]
    taught, taught_scores, taught_boxes = _nearest(boxes, found)
    free = overlaps(found.boxes, boxes).max(axis=1, initial=0) < TEACHER
    return Seen(
        boxes, exact + np.float32(0.5), scores, taught, taught_scores, taught_boxes,
        found.boxes[free & (found.scores > LIKELY - 0.1)],
    )  # fmt: skip


def _nearest(boxes: Floats, found: Detections) -> tuple[Floats, Floats, Floats]:
    points, scores = np.zeros((len(boxes), 5, 2), np.float32), np.zeros(len(boxes), np.float32)
    own = np.zeros((len(boxes), 4), np.float32)
    if len(boxes) and len(found.boxes) and found.landmarks is not None:
        shared = overlaps(boxes, found.boxes)
        best, near = shared.argmax(axis=1), shared.max(axis=1) > 0.4
        points[near] = found.landmarks[best[near]] + np.float32(0.5)
        scores[near], own[near] = found.scores[best[near]], found.boxes[best[near]]
    return points, scores, own


def fit_correction(seen: Iterable[Seen], rounds: int = 6) -> NDArray[np.float64]:
    """Fit a linear map (12, 10) from the teacher's landmarks and the logarithm of the box's size to exact landmarks.

    Landmarks are relative to the box. The map is fitted on faces that both networks find, and minimises the sum of
    distances rather than of squares, so that gross errors count little.
    """
    pairs = []
    for one in seen:
        both = (one.exact_scores > 0.95) & (one.taught_scores > LIKELY)
        pairs.append((one.exact[both], one.taught[both], one.taught_boxes[both]))
    exact, taught, boxes = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    if len(exact) < 100:
        # Too few faces to fit a map: the teacher's landmarks are used unchanged.
        return np.concatenate([np.eye(10), np.zeros((2, 10))])
    inputs, wanted = _inputs(taught, boxes), _relative(exact, boxes)
    solved = np.zeros((12, 10))
    weights = np.ones(len(inputs))
    for _ in range(rounds):
        weighted = (inputs * weights[:, None]).T
        solved = np.linalg.solve(weighted @ inputs + 1e-3 * np.eye(12), weighted @ wanted).astype(np.float64)
        weights = 1 / np.maximum(np.abs(inputs @ solved - wanted).mean(axis=1), 0.01)
        weights /= weights.mean()
    return solved


def label(one: Seen, correction: NDArray[np.float64]) -> Labels:
    """Make the labels of a photo: its boxes, then the faces that only the teacher finds, marked as ignored."""
    boxes = one.boxes
    sides = boxes[:, 2:] - boxes[:, :2]
    unit = np.sqrt(np.maximum(sides.prod(axis=1), 1))
    taught = corrected(one.taught, one.taught_boxes, correction)
    has = one.taught_scores > TEACHER
    agree = has & (np.abs(taught - one.exact).mean(axis=(1, 2)) / unit < AGREE)
    exact = ((one.exact_scores > SURE) & (agree | ~has)) | (agree & (one.exact_scores > LIKELY))
    landmarks = np.where(exact[:, None, None], one.exact, taught)
    trust = np.select([exact & agree, exact, has], [BOTH, ALONE, CORRECTED], 0.0)
    ignored = (sides.min(axis=1, initial=np.inf) < 3) | (sides.max(axis=1, initial=0) < 5)
    others = len(one.others)
    return Labels(
        np.concatenate([boxes, one.others]),
        np.concatenate([landmarks, np.zeros((others, 5, 2))]).astype(np.float32),
        np.concatenate([trust, np.zeros(others)]).astype(np.float32),
        np.concatenate([ignored if len(boxes) else np.zeros(0, bool), np.ones(others, bool)]),
    )


def corrected(points: Floats, boxes: Floats, correction: NDArray[np.float64]) -> Floats:
    """Map the teacher's landmarks (k, 5, 2) in boxes (k, 4) to MTCNN's geometry."""
    unit = np.sqrt(np.maximum((boxes[:, 2:] - boxes[:, :2]).prod(axis=1), 1))[:, None, None]
    middle = (boxes[:, None, :2] + boxes[:, None, 2:]) / 2
    return ((_inputs(points, boxes) @ correction).reshape(-1, 5, 2) * unit + middle).astype(np.float32)


def _relative(points: Floats, boxes: Floats) -> NDArray[np.float64]:
    unit = np.sqrt(np.maximum((boxes[:, 2:] - boxes[:, :2]).prod(axis=1), 1))[:, None, None]
    return ((points - (boxes[:, None, :2] + boxes[:, None, 2:]) / 2) / unit).reshape(-1, 10).astype(np.float64)


def _inputs(points: Floats, boxes: Floats) -> NDArray[np.float64]:
    size = np.log(np.maximum((boxes[:, 2:] - boxes[:, :2]).prod(axis=1), 1)) / 2
    return np.concatenate([_relative(points, boxes), size[:, None] - 3.5, np.ones((len(points), 1))], axis=1)


def main(words: Sequence[str] | None = None) -> int:
    """Make the labels file of a folder of photos; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m facespace.train.detector.labels", description=main.__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("boxes", type=Path, help="list of boxes in the format of WIDER FACE, or the same as .gz")
    parser.add_argument("out", type=Path, help="the .npz file to write")
    parser.add_argument("--teacher", type=Path, required=True, help="ONNX file of a detector with landmarks")
    given = parser.parse_args(words)
    try:
        known = make_labels(
            given.photos, read_boxes(given.boxes), detector_from(given.teacher), given.out,
            lambda message: print(message, file=sys.stderr),
        )  # fmt: skip
    except FacespaceError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"wrote {given.out}: the landmarks of {known} faces are known")
    return 0


if __name__ == "__main__":
    sys.exit(main())
