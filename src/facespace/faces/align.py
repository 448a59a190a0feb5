"""Align a detected face: cut it out of the photo as the network expects it.

Points are x, y in pixels, with the centre of the first pixel at (0, 0); boxes are edges, and the image extends from 0
to its width. The two conventions differ by half a pixel, and are reconciled only here.
"""

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from facespace.errors import ModelError
from facespace.images import resize

Border = Literal["black", "edge"]

# Left eye, right eye, nose, left and right mouth corner, as fractions of the side of the template's square
# (edges, so half a pixel is added to the usual figures, which are pixel centres).
TEMPLATES: dict[str, NDArray[np.float64]] = {
    "arcface-112": (
        np.array(
            [
                [38.2946, 51.6963],
                [73.5318, 51.5014],
                [56.0252, 71.7366],
                [41.5493, 92.3655],
                [70.7299, 92.2041],
            ]
        )
        + 0.5
    )
    / 112,
    # Positions of these landmarks in dlib's face chip of 150 pixels with padding 0.25 (benchmarks/dlib_template.py).
    "dlib-150": (
        np.array(
            [
                [50.472, 46.350],
                [102.884, 46.204],
                [76.690, 76.377],
                [54.917, 107.029],
                [98.732, 107.090],
            ]
        )
        + 0.5
    )
    / 150,
}


class Crop(Protocol):
    """A way to cut a face out of a photo."""

    needs_landmarks: bool

    def __call__(
        self,
        image: NDArray[np.uint8],
        box: NDArray[np.float32],
        landmarks: NDArray[np.float32] | None,
        width: int,
        height: int,
    ) -> NDArray[np.uint8]:
        """Cut the face, (height, width, 3), out of an image (h, w, 3), given a box (4,) and landmarks (5, 2)."""
        ...


def similarity(source: NDArray[np.floating], target: NDArray[np.floating]) -> NDArray[np.float64]:
    """Fit the similarity transform (scale, rotation, translation) that maps points to others by least squares.

    Umeyama, 1991. In two dimensions it has a closed form without a singular value decomposition: with points as
    complex numbers, the best factor is the covariance over the variance. Reflections are excluded.

    Parameters
    ----------
    source : float array, shape (..., k, 2)
    target : float array, shape (..., k, 2), or one that broadcasts

    Returns
    -------
    float64, shape (..., 2, 3)
        target = matrix @ (x, y, 1). If all source points coincide, only the translation.
    """
    a = np.asarray(source, np.float64) @ np.array([1, 1j])
    b = np.asarray(target, np.float64) @ np.array([1, 1j])
    a, b = np.broadcast_arrays(a, b)
    middle_a, middle_b = a.mean(axis=-1), b.mean(axis=-1)
    spread = a - middle_a[..., None]
    variance = (np.abs(spread) ** 2).sum(axis=-1)
    covariance = (spread.conj() * (b - middle_b[..., None])).sum(axis=-1)
    factor = np.where(variance > 0, covariance / np.where(variance > 0, variance, 1), 1)
    move = middle_b - factor * middle_a
    rows = [[factor.real, -factor.imag, move.real], [factor.imag, factor.real, move.imag]]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def inverse(matrices: NDArray[np.float64]) -> NDArray[np.float64]:
    """Invert matrices (..., 2, 3): from points of the crop to points of the photo."""
    back = np.linalg.inv(matrices[..., :2])
    return np.concatenate([back, -back @ matrices[..., 2:]], axis=-1)


def mapped(points: NDArray[np.floating], matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Apply matrices (..., 2, 3) to points (..., k, 2)."""
    return points @ matrix[..., :2].swapaxes(-1, -2) + matrix[..., None, :, 2]


def warp(
    image: NDArray[np.uint8], matrix: NDArray[np.float64], width: int, height: int, border: Border = "black"
) -> NDArray[np.uint8]:
    """Apply an affine transform to an image, with area averaging where it shrinks.

    Sampling alone would skip pixels where the image shrinks, and cause aliasing. Here the needed part is first averaged
    down by an integer factor, and the rest is sampled four times per pixel.

    Parameters
    ----------
    image : uint8, shape (h, w, 3)
    matrix : float64, shape (2, 3)
        From points of the image to points of the result.
    width, height : int
        Size of the result in pixels.
    border : 'black' or 'edge'
        What is drawn outside the image: black, or the nearest pixel.

    Returns
    -------
    uint8, shape (height, width, 3)
    """
    back = inverse(matrix)
    # In edge coordinates, as Pillow uses: the centre of the first pixel is (0.5, 0.5).
    back[:, 2] += 0.5 - back[:, :2] @ (0.5, 0.5)
    corners = mapped(np.array([[0, 0], [width, 0], [width, height], [0, height]], float), back)
    rows, columns = image.shape[:2]
    if border == "edge":
        lowest, highest = np.floor(corners.min(axis=0)).astype(int) - 2, np.ceil(corners.max(axis=0)).astype(int) + 2
        across = np.clip(np.arange(lowest[0], highest[0]), 0, columns - 1)
        down = np.clip(np.arange(lowest[1], highest[1]), 0, rows - 1)
        origin, part = lowest, image[down[:, None], across]
    else:
        lowest = np.clip(np.floor(corners.min(axis=0)).astype(int) - 2, 0, [columns - 1, rows - 1])
        highest = np.clip(np.ceil(corners.max(axis=0)).astype(int) + 2, lowest + 1, [columns, rows])
        origin, part = lowest, image[lowest[1] : highest[1], lowest[0] : highest[0]]
    back[:, 2] -= origin
    shrink = float(np.sqrt(abs(np.linalg.det(back[:, :2]))))
    source = PIL.Image.fromarray(part)
    whole = min(int(shrink), *source.size)
    if whole > 1:
        source = source.reduce(whole)
        back /= whole
    finer = 2 if shrink > max(whole, 1) * 1.05 else 1
    back[:, :2] /= finer
    drawn = source.transform(
        (width * finer, height * finer),
        PIL.Image.Transform.AFFINE,
        tuple(back.ravel().tolist()),
        PIL.Image.Resampling.BILINEAR,
    )
    return np.array(drawn.reduce(finer) if finer > 1 else drawn)


@dataclass(frozen=True)
class TemplateCrop:
    """Align five landmarks to a template, at any size; if width and height differ, the whole square is scaled to fit.

    template : name of one of `TEMPLATES`
    border : what is drawn outside the photo
    margin : fraction of the template's side added on each side
    """

    template: str
    border: Border = "black"
    margin: float = 0.0
    needs_landmarks = True

    def matrix(self, landmarks: NDArray[np.floating], width: int, height: int) -> NDArray[np.float64]:
        """Transform from points of the photo to points of the crop; (..., 2, 3) for landmarks (..., 5, 2)."""
        side = min(width, height) / (1 + 2 * self.margin)
        corner = np.array([width - side, height - side]) / 2
        return similarity(landmarks, TEMPLATES[self.template] * side + corner - 0.5)

    def __call__(
        self,
        image: NDArray[np.uint8],
        box: NDArray[np.float32],
        landmarks: NDArray[np.float32] | None,
        width: int,
        height: int,
    ) -> NDArray[np.uint8]:
        """Draw the aligned face, (height, width, 3); ModelError if there are no landmarks."""
        if landmarks is None:
            raise ModelError(f"the crop {self.template!r} needs landmarks, which this detector does not provide")
        return warp(image, self.matrix(landmarks, width, height), width, height, self.border)


@dataclass(frozen=True)
class BoxCrop:
    """The box with a margin, without rotation, cut at the photo's border and stretched to size.

    margin : fraction of the box's sides that is added, half on each side
    """

    margin: float = 0.0
    needs_landmarks = False

    def __call__(
        self,
        image: NDArray[np.uint8],
        box: NDArray[np.float32],
        landmarks: NDArray[np.float32] | None,
        width: int,
        height: int,
    ) -> NDArray[np.uint8]:
        """Cut out the box, (height, width, 3), as far as it lies in the photo."""
        rows, columns = image.shape[:2]
        grown = (box[2:] - box[:2]) * (self.margin / 2)
        left, top = np.clip(np.floor(box[:2] - grown).astype(int), 0, [columns - 1, rows - 1])
        right, bottom = np.clip(np.ceil(box[2:] + grown).astype(int), [left + 1, top + 1], [columns, rows])
        return resize(image[top:bottom, left:right], width, height)


@dataclass(frozen=True)
class TightCrop:
    """The paper's crop (section 4): tight around the box, shifted and scaled, never stretched or rotated."""

    border: Border = "black"
    needs_landmarks = False

    def __call__(
        self,
        image: NDArray[np.uint8],
        box: NDArray[np.float32],
        landmarks: NDArray[np.float32] | None,
        width: int,
        height: int,
    ) -> NDArray[np.uint8]:
        """Cut out the smallest part of the photo with the wanted aspect ratio that contains the box."""
        size = np.array([width, height])
        scale = float((size / np.maximum(box[2:] - box[:2], 1)).min())
        middle = (box[:2] + box[2:]) / 2
        move = size / 2 - 0.5 - scale * (middle - 0.5)
        return warp(image, np.array([[scale, 0, move[0]], [0, scale, move[1]]]), width, height, self.border)


# Crops by the names used in model cards.
CROPS: dict[str, Crop] = {
    "box": BoxCrop(),
    "tight-crop": TightCrop(),
    # 32 of 160 pixels are margin, as in the networks that followed FaceNet.
    "facenet-mtcnn-160": BoxCrop(margin=32 / 128),
    "arcface-112": TemplateCrop("arcface-112"),
    "dlib-150": TemplateCrop("dlib-150"),
}
