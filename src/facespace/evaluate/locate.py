"""Locate the main face of a photo: by a detector, from a landmarks file, or as the fixed centre crop."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from facespace.errors import ImageError
from facespace.evaluate.landmarks import GivenFace
from facespace.faces import CROPS, TEMPLATES, Found, find_stream
from facespace.faces.detector_file import shipped_detector
from facespace.faces.quality import judge
from facespace.images import Image, read_image
from facespace.space import Space

# Side of the fixed centre crop as a share of the photo's shorter side.
CENTRE = 0.5


@dataclass(frozen=True)
class Located:
    """A face cropped for the network.

    box : float32, shape (4,)
    landmarks : float32, shape (5, 2), NaN if unknown
    quality : 0 to 1, NaN if unknown
    pixels : uint8, shape (height, width, 3)
    """

    box: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    quality: float
    pixels: Image


class Locator(Protocol):
    """A way to find the main face of photos."""

    def key(self, name: str) -> str:
        """Return a cache key of everything except space and photo that determines the crop."""
        ...

    def locate(self, photos: Mapping[str, bytes]) -> dict[str, Located | ImageError | None]:
        """Return the main face of each photo; None if there is none, an ImageError if the photo cannot be used."""
        ...


@dataclass(frozen=True)
class ByDetector:
    """The largest face found by the space's detector, or the one nearest to the centre of the photo."""

    space: Space
    central: bool

    def key(self, name: str) -> str:
        """See `Locator.key`."""
        return f"{self.space.detector} {self._sha256}, {'central' if self.central else 'largest'}"

    @cached_property
    def _sha256(self) -> str:
        """Hash of the detector's files: those that the user named, or the one that ships with the package."""
        path = Path(self.space.detector)
        paths = [path, path.with_suffix(".toml")] if path.suffix == ".onnx" else [shipped_detector()]
        return hashlib.sha256(b"".join(each.read_bytes() for each in paths if each.exists())).hexdigest()

    def locate(self, photos: Mapping[str, bytes]) -> dict[str, Located | ImageError | None]:
        """See `Locator.locate`; uses several threads."""
        found = find_stream(self.space.finder, photos.values())
        return {name: self._main(photo) for name, photo in zip(photos, found, strict=True)}

    def _main(self, photo: Found) -> Located | ImageError | None:
        if photo.failure is not None:
            return ImageError(photo.failure)
        if not photo.faces:
            return None
        boxes = np.array([face.box for face in photo.faces], np.float32)
        if self.central:
            middle = np.array([photo.width, photo.height]) / 2
            best = int(np.linalg.norm((boxes[:, :2] + boxes[:, 2:]) / 2 - middle, axis=1).argmin())
        else:
            best = int((boxes[:, 2:] - boxes[:, :2]).prod(axis=1).argmax())
        face = photo.faces[best]
        landmarks = np.full((5, 2), np.nan, np.float32) if face.landmarks is None else face.landmarks
        return Located(boxes[best], landmarks, np.nan if face.quality is None else face.quality.value, face.pixels)


@dataclass(frozen=True)
class ByLandmarks:
    """The face whose landmarks are in a file; none if the file has no row for a photo."""

    space: Space
    given: Mapping[str, GivenFace]

    def key(self, name: str) -> str:
        """See `Locator.key`."""
        face = self.given.get(name)
        numbers = "nowhere" if face is None else " ".join(f"{x:.4f}" for x in (*face.box, *face.landmarks.ravel()))
        return f"given {numbers}"

    def locate(self, photos: Mapping[str, bytes]) -> dict[str, Located | ImageError | None]:
        """See `Locator.locate`."""
        return {name: self._located(self.given.get(name), content) for name, content in photos.items()}

    def _located(self, face: GivenFace | None, content: bytes) -> Located | ImageError | None:
        try:
            return None if face is None else _cut(self.space, read_image(content), face, judged=True)
        except ImageError as error:
            return error


@dataclass(frozen=True)
class ByCentre:
    """The fixed centre crop: the central square of the photo, treated like the square around a face."""

    space: Space

    def key(self, name: str) -> str:
        """See `Locator.key`."""
        return f"centre {CENTRE}"

    def locate(self, photos: Mapping[str, bytes]) -> dict[str, Located | ImageError | None]:
        """See `Locator.locate`."""
        return {name: self._located(content) for name, content in photos.items()}

    def _located(self, content: bytes) -> Located | ImageError:
        try:
            image = read_image(content)
        except ImageError as error:
            return error
        size = np.array([image.shape[1], image.shape[0]], np.float32)
        side = CENTRE * float(size.min())
        corner = (size - side) / 2
        box = np.concatenate([corner, corner + side]).astype(np.float32)
        landmarks = (TEMPLATES["arcface-112"] * side + corner - 0.5).astype(np.float32)
        return _cut(self.space, image, GivenFace(box, landmarks), judged=False)


def _cut(space: Space, image: Image, face: GivenFace, judged: bool) -> Located:
    size = space.card.input
    pixels = CROPS[space.card.crop](image, face.box, face.landmarks, size.width, size.height)
    quality = judge(image, face.landmarks, 1.0).value if judged else np.nan
    return Located(face.box, face.landmarks, quality, pixels)
