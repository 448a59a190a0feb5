"""facespace: one space for faces, three answers by distance in it.

>>> import facespace as fs
>>> space = fs.load("model.onnx")                     # doctest: +SKIP
>>> space.verify("a.jpg", "b.jpg").same               # doctest: +SKIP
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from facespace.album import Album, Clusters, cluster
    from facespace.gallery import Gallery, Identification
    from facespace.space import Face, Space, Verification, load

__version__ = version("facespace")

# Imported when they are first used: a client, or a command that needs no model, starts without onnxruntime.
_ON_FIRST_USE = {
    "album": ("Album", "Clusters", "cluster"),
    "gallery": ("Gallery", "Identification"),
    "space": ("Face", "Space", "Verification", "load"),
}
_PACKAGES = (
    "album",
    "bulk",
    "clustering",
    "evaluate",
    "faces",
    "gallery",
    "images",
    "index",
    "metric",
    "model",
    "space",
)

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


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        for package, names in _ON_FIRST_USE.items():
            if name in names:
                value = getattr(import_module(f"facespace.{package}"), name)
                globals()[name] = value
                return value
        if name in _PACKAGES:
            return import_module(f"facespace.{name}")
        raise AttributeError(f"module 'facespace' has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
