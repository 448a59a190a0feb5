"""Compute the template `dlib-150`: the positions of MTCNN's five landmarks in dlib's face chip.

    python benchmarks/dlib_template.py --shape shape_predictor_5_face_landmarks.dat

Uses training faces aligned by MTCNN's landmarks. dlib's detector and landmarks give the area of its 150-pixel face chip
with padding 0.25. The template is the median, over faces, of the positions of MTCNN's landmarks in that area. Their
spread shows how much the two crops differ.
"""

import argparse
import io
import zipfile
from pathlib import Path

import dlib
import numpy as np
import PIL.Image

from facespace.faces import TEMPLATES

DATA = Path(__file__).parents[2] / "shared" / "data"
CHIP, PADDING = 150, 0.25

# dlib's detector needs faces of 80 pixels with some background.
BORDER, ENLARGED = 32, 2.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", type=Path, required=True)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--faces", type=int, default=800)
    given = parser.parse_args()
    detect, predict = dlib.get_frontal_face_detector(), dlib.shape_predictor(str(given.shape))
    with zipfile.ZipFile(given.data / "train.zip") as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".webp"))
        chosen = np.random.default_rng(0).permutation(len(names))[: given.faces]
        found = [
            points for index in chosen if (points := in_chip(archive.read(names[index]), detect, predict)) is not None
        ]
    points = np.array(found)
    print(f"{len(points)} faces of {len(chosen)}; median and standard deviation, pixels:")
    for name, middle, spread in zip(
        ("left eye", "right eye", "nose", "left mouth corner", "right mouth corner"),
        np.median(points, axis=0),
        points.std(axis=0),
        strict=True,
    ):
        print(f"{name:20s} {middle[0]:8.3f} {middle[1]:8.3f}   {spread[0]:.1f} {spread[1]:.1f}")


def in_chip(content: bytes, detect: dlib.fhog_object_detector, predict: dlib.shape_predictor) -> np.ndarray | None:
    """Return MTCNN's five landmarks in dlib's chip, in pixels; None unless dlib finds exactly one face."""
    face = np.array(PIL.Image.open(io.BytesIO(content)).convert("RGB"))
    side = face.shape[0]
    wide = np.pad(face, ((BORDER, BORDER), (BORDER, BORDER), (0, 0)), mode="edge")
    large = PIL.Image.fromarray(wide).resize([round(length * ENLARGED) for length in wide.shape[1::-1]])
    image = np.array(large)
    boxes = detect(image, 0)
    if len(boxes) != 1:
        return None
    details = dlib.get_face_chip_details(predict(image, boxes[0]), CHIP, PADDING)
    # The picture is the template's square with a margin of a fourteenth on each side.
    known = (TEMPLATES["arcface-112"] * 112 + (side - 112) / 2 + BORDER) * ENLARGED - 0.5
    middle = np.array([details.rect.left() + details.rect.right(), details.rect.top() + details.rect.bottom()]) / 2
    turn = np.array([[np.cos(details.angle), -np.sin(details.angle)], [np.sin(details.angle), np.cos(details.angle)]])
    return (known - middle) @ turn * (CHIP / details.rect.width()) + (CHIP - 1) / 2


if __name__ == "__main__":
    main()
