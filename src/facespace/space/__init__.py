"""A space: a network with everything needed to use it, and its records."""

from facespace.space.records import Compared, Face, Failure, PhotoFaces, Verification, compared_face, main_face
from facespace.space.space import Space, as_photos, embedded, found_stream, load, photo_faces

__all__ = [
    "Compared",
    "Face",
    "Failure",
    "PhotoFaces",
    "Space",
    "Verification",
    "as_photos",
    "compared_face",
    "embedded",
    "found_stream",
    "load",
    "main_face",
    "photo_faces",
]
