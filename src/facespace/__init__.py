"""facespace: one space for faces, three answers by distance in it.

>>> import facespace as fs
>>> space = fs.load("model.onnx")                     # doctest: +SKIP
>>> space.verify("a.jpg", "b.jpg").same               # doctest: +SKIP
"""

from importlib.metadata import version

from facespace.album import Album, Clusters, cluster
from facespace.errors import (
    AlbumError,
    DataError,
    EmbeddingError,
    FacespaceError,
    FacespaceWarning,
    GalleryError,
    ImageError,
    ModelError,
    NoFaceError,
    RecipeError,
    SeveralFacesError,
    UnknownPersonError,
)
from facespace.gallery import Gallery, Identification
from facespace.space import Face, Space, Verification, load

__version__ = version("facespace")

__all__ = [
    "Album",
    "AlbumError",
    "Clusters",
    "DataError",
    "EmbeddingError",
    "Face",
    "FacespaceError",
    "FacespaceWarning",
    "Gallery",
    "GalleryError",
    "Identification",
    "ImageError",
    "ModelError",
    "NoFaceError",
    "RecipeError",
    "SeveralFacesError",
    "Space",
    "UnknownPersonError",
    "Verification",
    "cluster",
    "load",
]
