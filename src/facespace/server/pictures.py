"""Faces as JPEG in base64, and photos and faces as what is said of them."""

import base64
import io
from collections.abc import Iterable

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from facespace.schemas import FaceAnswer, PhotoAnswer, QualityAnswer
from facespace.space import Face, Look

QUALITY = 85


def as_jpeg(pixels: NDArray[np.uint8]) -> bytes:
    """An RGB image (h, w, 3) as JPEG."""
    content = io.BytesIO()
    PIL.Image.fromarray(pixels).save(content, "JPEG", quality=QUALITY)
    return content.getvalue()


def faces_of(look: Look, crops: bool, embeddings: bool) -> list[FaceAnswer]:
    """The faces of a photo as they are told."""
    return [
        FaceAnswer(
            box=face.box,
            landmarks=None if face.landmarks is None else [(float(x), float(y)) for x, y in face.landmarks],
            score=min(1.0, max(0.0, face.score)),
            quality=_quality(face),
            crop=base64.b64encode(as_jpeg(pixels)).decode() if crops else None,
            embedding=face.embedding.tolist() if embeddings else None,
        )
        for face, pixels in zip(look.faces, look.crops, strict=True)
    ]


def photo_of(look: Look, crops: bool, embeddings: bool) -> PhotoAnswer:
    """A photo as it is told."""
    return PhotoAnswer(width=look.width, height=look.height, faces=faces_of(look, crops, embeddings))


def _quality(face: Face) -> QualityAnswer | None:
    quality = face.quality
    if quality is None:
        return None
    return QualityAnswer(**{name: getattr(quality, name) for name in QualityAnswer.model_fields})


def first_of(numbers: Iterable[int]) -> int | None:
    """The first, or None."""
    return next(iter(numbers), None)
