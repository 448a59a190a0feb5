"""Read the five landmarks of each photo's main face from a file, for evaluations independent of a detector."""

import os
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facespace.errors import DataError
from facespace.evaluate.table import Row, read_table

POINTS = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
_BOX = ("box_x", "box_y", "box_w", "box_h")

# Distance between the eyes relative to the side of the usual square around a face (the 112x112 template).
_EYES = 35.237 / 112


@dataclass(frozen=True)
class GivenFace:
    """Position of the main face of a photo, in pixels.

    box : float32, shape (4,), left, top, right, bottom
    landmarks : float32, shape (5, 2)
    """

    box: NDArray[np.float32]
    landmarks: NDArray[np.float32]


def read_landmarks(path: str | os.PathLike[str]) -> dict[str, GivenFace]:
    """Read landmarks by photo name from a CSV file.

    Parameters
    ----------
    path : path
        A file with the columns `path` and `left_eye_x`, `left_eye_y`, and so on for right_eye, nose, mouth_left and
        mouth_right (left as seen in the photo), in pixels; optionally box_x, box_y, box_w, box_h. Other columns are
        ignored.

    Raises
    ------
    DataError
        The file cannot be read, a column is missing, or a value is not a finite number; the message gives the line.
    """
    columns = [f"{point}_{axis}" for point in POINTS for axis in "xy"]
    found = {}
    for row in read_table(path, ("path", *columns)).rows:
        try:
            points = np.array([float(row[name]) for name in columns], np.float32).reshape(5, 2)
            box = _box(row, points)
        except ValueError:
            raise DataError(f"{row.where}: a landmark is not a number") from None
        if not np.isfinite(points).all() or not np.isfinite(box).all():
            raise DataError(f"{row.where}: a landmark is not finite")
        found[row["path"]] = GivenFace(box, points)
    return found


def _box(row: Row, points: NDArray[np.float32]) -> NDArray[np.float32]:
    if all(row.values.get(name) for name in _BOX):
        x, y, w, h = (float(row[name]) for name in _BOX)
        return np.array([x, y, x + w, y + h], np.float32)
    half = float(np.linalg.norm(points[1] - points[0])) / _EYES / 2
    middle = points.mean(axis=0)
    return np.concatenate([middle - half, middle + half]).astype(np.float32)
