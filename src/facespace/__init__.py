"""Verify, recognise and cluster faces by distance in one embedding space.

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
    from facespace.album import Added, Album, AlbumCluster, AlbumFace, Clusters, Decision, MaybeSame, Member, cluster
    from facespace.faces import Quality
    from facespace.gallery import (
        Candidate,
        Doubt,
        EnrolledPerson,
        Enrolment,
        Event,
        Gallery,
        Identification,
        IdentifiedPhoto,
        KeptFace,
        LowQualityError,
        NewFace,
        NotEnrolledError,
        PeoplePage,
        Person,
        PersonVerification,
        Removal,
        UndoneEnrolment,
    )
    from facespace.images import Limits
    from facespace.space import Compared, Face, Failure, PhotoFaces, Space, Verification, load

__version__ = version("facespace")

# Imported when they are first used: a client, or a command that needs no model, starts without onnxruntime.
_ON_FIRST_USE = {
    "album": (
        "Added",
        "Album",
        "AlbumCluster",
        "AlbumFace",
        "Clusters",
        "Decision",
        "MaybeSame",
        "Member",
        "cluster",
    ),
    "faces": ("Quality",),
    "gallery": (
        "Candidate",
        "Doubt",
        "EnrolledPerson",
        "Enrolment",
        "Event",
        "Gallery",
        "Identification",
        "IdentifiedPhoto",
        "KeptFace",
        "NewFace",
        "NotEnrolledError",
        "LowQualityError",
        "PeoplePage",
        "Person",
        "PersonVerification",
        "Removal",
        "UndoneEnrolment",
    ),
    "images": ("Limits",),
    "space": (
        "Compared",
        "Face",
        "Failure",
        "PhotoFaces",
        "Space",
        "Verification",
        "load",
    ),
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
    "Added",
    "Album",
    "AlbumCluster",
    "AlbumError",
    "AlbumFace",
    "Candidate",
    "Clusters",
    "Compared",
    "DataError",
    "Decision",
    "Doubt",
    "EmbeddingError",
    "EnrolledPerson",
    "Enrolment",
    "Event",
    "Face",
    "FacespaceError",
    "FacespaceWarning",
    "Failure",
    "Gallery",
    "GalleryError",
    "Identification",
    "IdentifiedPhoto",
    "ImageError",
    "KeptFace",
    "Limits",
    "LowQualityError",
    "MaybeSame",
    "Member",
    "ModelError",
    "NewFace",
    "NoFaceError",
    "NotEnrolledError",
    "PeoplePage",
    "Person",
    "PersonVerification",
    "PhotoFaces",
    "Quality",
    "RecipeError",
    "Removal",
    "SeveralFacesError",
    "Space",
    "UndoneEnrolment",
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
