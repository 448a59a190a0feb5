"""Sample photos at random from a folder, to calibrate quantisation: faces, or parts of photos for a detector."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from facespace.errors import DataError, ImageError, NoFaceError
from facespace.faces import Detector
from facespace.images import called, decode_photo, photos_in, resize
from facespace.space import Space, compared_face

# Quantisation uses three of four for calibration: at most 128 faces, and at most 90 parts of photos.
FACES, PIECES = 171, 120

# Maximum longer side of the photos that parts are taken from, and the side of a part, in pixels.
LONGEST, SIDE = 1024, 384
# A face is at most this far from the middle of its part along each axis, in pixels.
SHIFT = 150

Made = TypeVar("Made")
OnFailure = Callable[[str], None]


def calibration_faces(
    space: Space,
    folder: str | os.PathLike[str],
    count: int = FACES,
    on_failure: OnFailure = lambda reason: None,
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

    def main_face(photo: Path, number: int) -> NDArray[np.uint8]:
        found = space.finder.find(photo).faces
        return found[compared_face(found, called(photo, "photo")).face - 1].pixels

    return np.stack(_sampled(folder, count, main_face, on_failure, "no face found in"))


def calibration_pieces(
    detector: Detector,
    folder: str | os.PathLike[str],
    count: int = PIECES,
    on_failure: OnFailure = lambda reason: None,
) -> NDArray[np.uint8]:
    """Take parts of randomly chosen photos in a folder, with faces of all sizes, to calibrate a detector.

    Of every three photos, two give a square around a face, or any square if no face is found. The third is used whole,
    scaled down, so that its faces are small or there is little else than a face. Missing pixels are black, as in the
    input of the detector.

    Parameters
    ----------
    detector : Detector
        It finds the faces.
    folder, count, on_failure
        As for `calibration_faces`.

    Returns
    -------
    uint8, shape (n, 384, 384, 3), RGB

    Raises
    ------
    DataError
        The folder does not exist, or none of its photos can be read.
    """
    rng = np.random.default_rng(0)

    def piece(photo: Path, number: int) -> NDArray[np.uint8]:
        pixels = decode_photo(photo, longest=LONGEST).pixels
        return _whole(pixels) if number % 3 == 2 else _square(pixels, detector, rng)

    return np.stack(_sampled(folder, count, piece, on_failure, "cannot read any of"))


def _sampled(
    folder: str | os.PathLike[str],
    count: int,
    made_of: Callable[[Path, int], Made],
    on_failure: OnFailure,
    nothing: str,
) -> list[Made]:
    """What `made_of` returns for photos in random order; it gets the photo and the number of those made before."""
    photos = photos_in(folder)
    made: list[Made] = []
    for index in np.random.default_rng(0).permutation(len(photos)):
        if len(made) == count:
            break
        try:
            made.append(made_of(photos[index], len(made)))
        except (ImageError, NoFaceError) as error:
            on_failure(str(error))
    if not made:
        raise DataError(f"{nothing} the {len(photos)} photos under {folder}")
    return made


def _whole(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = pixels.shape[:2]
    scale = SIDE / max(height, width)
    return _padded(resize(pixels, max(1, round(width * scale)), max(1, round(height * scale))))


def _square(pixels: NDArray[np.uint8], detector: Detector, rng: np.random.Generator) -> NDArray[np.uint8]:
    size = np.array(pixels.shape[1::-1])
    boxes = detector([pixels])[0].boxes
    if len(boxes):
        box = boxes[rng.integers(len(boxes))]
        middle = (box[:2] + box[2:]) / 2 + rng.integers(-SHIFT, SHIFT + 1, 2)
    else:
        middle = rng.uniform(0, size)
    left, top = np.clip(middle - SIDE / 2, 0, np.maximum(size - SIDE, 0)).astype(int)
    return _padded(pixels[top : top + SIDE, left : left + SIDE])


def _padded(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    made = np.zeros((SIDE, SIDE, 3), np.uint8)
    made[: pixels.shape[0], : pixels.shape[1]] = pixels
    return made
