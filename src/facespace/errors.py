"""The package's exceptions, one for each kind of thing the user can act on.

Every message says what is wrong, where (a path, a key, a line) and what to do.
"""


class FacespaceError(Exception):
    """Base class of every error that this package raises on purpose."""


class ImageError(FacespaceError):
    """A photo cannot be used: it is not an image, it is truncated, or it exceeds the limits."""


class NoFaceError(FacespaceError):
    """No face was found in a photo."""


class SeveralFacesError(FacespaceError):
    """A photo shows several faces where one is needed, and the caller did not choose one."""


class ModelError(FacespaceError):
    """A model file is missing, damaged, without a card, or from another space."""


class EmbeddingError(FacespaceError, ValueError):
    """An embedding cannot be used: it has the wrong size, its L2 norm is not 1, or a value is not finite."""


class GalleryError(FacespaceError):
    """A gallery cannot be opened or changed as asked."""


class UnknownPersonError(GalleryError):
    """The gallery has no person with this id, or that person was deleted."""


class AlbumError(FacespaceError):
    """An album cannot be opened or changed as asked, or a decision contradicts an earlier one."""


class RecipeError(FacespaceError):
    """A training recipe is not valid."""


class DataError(FacespaceError):
    """A data set, or the figures computed from it, cannot answer the question."""


class FacespaceWarning(UserWarning):
    """A condition that the user should know about and that does not stop the work."""
