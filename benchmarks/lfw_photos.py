"""Photos of LFW with the landmarks of their main face, for benchmarks. LFW is test data: never tune on it."""

import csv
import io
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

DATA = Path(os.environ.get("FACESPACE_DATA") or Path(__file__).parents[1] / ".." / "shared" / "data")
POINTS = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")


def lfw_bytes(step: int = 1) -> Iterator[tuple[str, bytes, np.ndarray]]:
    """Yield name, JPEG bytes and five landmarks (5, 2) of every step-th photo."""
    with (DATA / "lfw_landmarks.csv").open() as file:
        rows = list(csv.DictReader(file))[::step]
    with zipfile.ZipFile(DATA / "lfw.zip") as archive:
        for row in rows:
            points = np.array([[float(row[f"{point}_x"]), float(row[f"{point}_y"])] for point in POINTS])
            yield row["path"], archive.read(f"lfw/{row['path']}"), points


def lfw_photos(step: int = 1) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield name, pixels and five landmarks of every step-th photo."""
    for name, content, points in lfw_bytes(step):
        with Image.open(io.BytesIO(content)) as photo:
            yield name, np.array(photo.convert("RGB")), points
