"""A space: a network with everything needed to use it, and its records."""

from facespace.space.records import Compared, Face, Failure, Look, PhotoFaces, Verification, compared_face, main_face
from facespace.space.space import Space, as_photos, load

__all__ = [
    "Compared",
    "Face",
    "Failure",
    "Look",
    "PhotoFaces",
    "Space",
    "Verification",
    "as_photos",
    "compared_face",
    "load",
    "main_face",
]
