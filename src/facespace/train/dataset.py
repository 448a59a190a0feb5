"""The faces to learn from, in memory, prepared just as the finished space will prepare them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facespace.errors import DataError, ImageError
from facespace.faces import CROPS, DETECTORS, find_faces
from facespace.images import people_in, read_image

DETECTOR, CROP = "whole-photo", "box"


@dataclass(frozen=True)
class FaceSet:
    """Faces with their people.

    pixels : uint8, shape (n, height, width, 3), RGB
    labels : int64, shape (n,), index into `people`
    people : names, in the order of the labels
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    people: tuple[str, ...]

    def of(self, people: NDArray[np.int64]) -> "FaceSet":
        """The faces of some people only, relabelled from 0 in the order given."""
        renumbered = np.full(len(self.people), -1)
        renumbered[people] = np.arange(len(people))
        kept = renumbered[self.labels] >= 0
        names = tuple(self.people[person] for person in people)
        return FaceSet(self.pixels[kept], renumbered[self.labels[kept]], names)


def read_faces(folder: Path, width: int, height: int, warn: Callable[[str], None] = lambda message: None) -> FaceSet:
    """Read a folder of people (FOLDER/PERSON/photo) into memory.

    Parameters
    ----------
    folder : path
    width, height : int
        Size of a face in pixels.
    warn : callable
        Told of each photo that cannot be used and is left out.

    Raises
    ------
    DataError
        No such folder, no people in it, or no photo that can be used.
    """
    detector, crop = DETECTORS[DETECTOR](), CROPS[CROP]
    pixels: list[NDArray[np.uint8]] = []
    labels: list[int] = []
    names: list[str] = []
    for name, photos in people_in(folder).items():
        faces = []
        for photo in photos:
            try:
                faces += find_faces(read_image(photo), detector, crop, width, height)
            except ImageError as error:
                warn(f"left out: {error}")
        pixels += [face.pixels for face in faces]
        labels += [len(names)] * len(faces)
        names += [name] if faces else []
    if not pixels:
        raise DataError(f"no photo under {folder} can be used; see the messages above")
    return FaceSet(np.stack(pixels), np.asarray(labels, np.int64), tuple(names))


def split_people(faces: FaceSet, validation_people: int, seed: int) -> tuple[FaceSet, FaceSet | None]:
    """Set some people aside, by seed, whose faces are never trained on.

    Returns
    -------
    train, validation
        The second is None for 0 people.

    Raises
    ------
    DataError
        Fewer than two people would be left on either side.
    """
    if validation_people == 0:
        return faces, None
    if validation_people < 2 or len(faces.people) - validation_people < 2:
        raise DataError(
            f"cannot set {validation_people} of {len(faces.people)} people aside for validation: "
            "at least two must be on either side"
        )
    order = np.random.default_rng([seed, 0]).permutation(len(faces.people))
    return (
        faces.of(np.sort(order[validation_people:])),
        faces.of(np.sort(order[:validation_people])),
    )
