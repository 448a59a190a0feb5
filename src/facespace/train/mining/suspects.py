"""Faces whose labels look wrong, as a table for a person to look through."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facespace.errors import DataError
from facespace.train.data.dataset import FaceSet
from facespace.train.mining.offline import Suspect

COLUMNS = ("photo", "person", "looks_like", "own_distance", "other_distance")


def write_suspects(path: Path, suspects: Sequence[Suspect], pool: NDArray[np.int64], faces: FaceSet) -> None:
    """Write the suspects of a pool, the most suspect first; an earlier list goes.

    Parameters
    ----------
    path : path
        A CSV file: photo, person it is labelled as, person it lies among, and the squared distances to the nearest
        face of the one and the third nearest of the other.
    suspects : sequence of Suspect
    pool : int64, shape (n,)
        Which training faces the positions in the pool are.
    faces : FaceSet

    Raises
    ------
    DataError
        The disk refused.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(COLUMNS)
            for suspect in suspects:
                face = int(pool[suspect.face])
                photo = faces.photos[face] if faces.photos else f"face {face}"
                names = (faces.people[suspect.label], faces.people[suspect.other])
                table.writerow([photo, *names, f"{suspect.own_distance:.4f}", f"{suspect.other_distance:.4f}"])
        partial.replace(path)
    except OSError as error:
        raise DataError(f"cannot write the list of suspected labels {path}: {error.strerror}") from None
