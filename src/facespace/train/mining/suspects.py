"""Write the faces whose labels are probably wrong to a table, for manual review."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facespace.errors import DataError
from facespace.files import replacing
from facespace.train.data.dataset import FaceSet
from facespace.train.mining.offline import Suspect

COLUMNS = ("photo", "person", "looks_like", "own_distance", "other_distance")


def write_suspects(path: Path, suspects: Sequence[Suspect], pool: NDArray[np.int64], faces: FaceSet) -> None:
    """Write the suspects of a pool, the most suspicious first; replaces an earlier table.

    Parameters
    ----------
    path : path
        A CSV file with the columns photo, person (its label), looks_like (the other person), own_distance (squared, to
        the nearest face with the same label) and other_distance (squared, to the third nearest face of the other).
    suspects : sequence of Suspect
    pool : int64, shape (n,)
        Training faces in the pool.
    faces : FaceSet

    Raises
    ------
    DataError
        The file cannot be written.
    """
    try:
        with replacing(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(COLUMNS)
            for suspect in suspects:
                face = int(pool[suspect.face])
                photo = faces.photos[face] if faces.photos else f"face {face}"
                names = (faces.people[suspect.label], faces.people[suspect.other])
                table.writerow([photo, *names, f"{suspect.own_distance:.4f}", f"{suspect.other_distance:.4f}"])
    except OSError as error:
        raise DataError(f"cannot write the list of suspected labels {path}: {error.strerror}") from None
