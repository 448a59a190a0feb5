"""Faces of photos drawn at random from a folder, for quantisation to calibrate on."""

import os
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from facespace.errors import DataError, ImageError, NoFaceError
from facespace.images import called, photos_in
from facespace.space import Space, compared_face

# Quantisation calibrates on three of four, and on no more than 128.
FACES = 171


def calibration_faces(
    space: Space,
    folder: str | os.PathLike[str],
    count: int = FACES,
    seed: int = 0,
    on_failure: Callable[[str], None] = lambda reason: None,
) -> NDArray[np.uint8]:
    """The main faces of photos drawn at random from a folder, cut out as a space wants them.

    Parameters
    ----------
    space : Space
    folder : path
        Photos in it and in its sub-folders.
    count : int
        How many faces; fewer where the folder has fewer.
    seed : int
        Of the draw.
    on_failure : called with the reason for each photo that could not be used; another takes its place

    Returns
    -------
    uint8, shape (n, height, width, 3), RGB

    Raises
    ------
    DataError
        No such folder, or no face in any of its photos.
    """
    photos = photos_in(folder)
    faces: list[NDArray[np.uint8]] = []
    for index in np.random.default_rng(seed).permutation(len(photos)):
        if len(faces) == count:
            break
        try:
            found = space.finder.find(photos[index]).faces
            faces.append(found[compared_face(found, called(photos[index], "photo")).face - 1].pixels)
        except (ImageError, NoFaceError) as error:
            on_failure(str(error))
    if not faces:
        raise DataError(f"no face in any of the {len(photos)} photos under {folder}")
    return np.stack(faces)
