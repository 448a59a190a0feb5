"""Sample faces at random from a folder of photos, to calibrate quantisation."""

import os
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from facespace.errors import DataError, ImageError, NoFaceError
from facespace.images import called, photos_in
from facespace.space import Space, compared_face

# Quantisation uses three of four faces for calibration, at most 128.
FACES = 171


def calibration_faces(
    space: Space,
    folder: str | os.PathLike[str],
    count: int = FACES,
    on_failure: Callable[[str], None] = lambda reason: None,
) -> NDArray[np.uint8]:
    """Align the main faces of randomly chosen photos in a folder for a space.

    Parameters
    ----------
    space : Space
    folder : path
        Photos in it and in its subfolders.
    count : int
        Number of faces; fewer if the folder has fewer.
    on_failure : callback with the reason for each photo that cannot be used; another photo replaces it

    Returns
    -------
    uint8, shape (n, height, width, 3), RGB

    Raises
    ------
    DataError
        The folder does not exist, or no face was found in its photos.
    """
    photos = photos_in(folder)
    faces: list[NDArray[np.uint8]] = []
    for index in np.random.default_rng(0).permutation(len(photos)):
        if len(faces) == count:
            break
        try:
            found = space.finder.find(photos[index]).faces
            faces.append(found[compared_face(found, called(photos[index], "photo")).face - 1].pixels)
        except (ImageError, NoFaceError) as error:
            on_failure(str(error))
    if not faces:
        raise DataError(f"no face found in the {len(photos)} photos under {folder}")
    return np.stack(faces)
