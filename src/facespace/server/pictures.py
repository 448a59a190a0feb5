"""Conversion of photos and faces to response records."""

import base64
import io
from collections.abc import Iterable

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from facespace.schemas import FaceAnswer, PhotoAnswer, QualityAnswer
from facespace.space import Face, PhotoFaces

QUALITY = 85


def as_jpeg(pixels: NDArray[np.uint8]) -> bytes:
    """Encode an RGB image, shape (h, w, 3), as JPEG."""
    content = io.BytesIO()
    PIL.Image.fromarray(pixels).save(content, "JPEG", quality=QUALITY)
    return content.getvalue()


def faces_of(photo: PhotoFaces, crops: bool, embeddings: bool) -> list[FaceAnswer]:
    """Return the faces of a photo as response records."""
    return [
        FaceAnswer(
            box=face.box,
            landmarks=None if face.landmarks is None else [(float(x), float(y)) for x, y in face.landmarks],
            score=min(1.0, max(0.0, face.score)),
            quality=_quality(face),
            crop=base64.b64encode(as_jpeg(face.crop)).decode() if crops and face.crop is not None else None,
            embedding=face.embedding.tolist() if embeddings else None,
        )
        for face in photo.faces
    ]


def photo_of(photo: PhotoFaces, crops: bool, embeddings: bool) -> PhotoAnswer:
    """Return a photo as a response record."""
    return PhotoAnswer(width=photo.width, height=photo.height, faces=faces_of(photo, crops, embeddings))


def _quality(face: Face) -> QualityAnswer | None:
    quality = face.quality
    if quality is None:
        return None
    return QualityAnswer(**{name: getattr(quality, name) for name in QualityAnswer.model_fields})


def first_of(numbers: Iterable[int]) -> int | None:
    """Return the first number, or None."""
    return next(iter(numbers), None)
