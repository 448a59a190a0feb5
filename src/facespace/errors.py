"""What can go wrong, named for what the user can do about it.

Every message says what was wrong, where (a path, a key, a line) and what to do.
"""


class FacespaceError(Exception):
    """The parent of every error this package raises on purpose."""


class ImageError(FacespaceError):
    """A photo cannot be used: not an image, truncated, or larger than the limits allow."""


class NoFaceError(FacespaceError):
    """A photo was read, but no face was found in it."""


class SeveralFacesError(FacespaceError):
    """A photo shows several faces where one is needed and none was chosen."""


class ModelError(FacespaceError):
    """A model file is missing, damaged, without a card, or of another space."""


class EmbeddingError(FacespaceError, ValueError):
    """An embedding passed in cannot be used: wrong size, not of norm 1, or not finite numbers."""


class GalleryError(FacespaceError):
    """A gallery cannot be opened or changed as asked."""


class UnknownPersonError(GalleryError):
    """There is nobody with that id in the gallery, or nobody any more."""


class AlbumError(FacespaceError):
    """An album cannot be opened or changed as asked, or what was said contradicts what was said before."""


class RecipeError(FacespaceError):
    """A training recipe is not valid."""


class DataError(FacespaceError):
    """A data set, or the figures computed from it, cannot answer what was asked."""


class FacespaceWarning(UserWarning):
    """Something the user should know that does not stop the work."""
