"""Import faiss if it is installed."""

from types import ModuleType

from facespace.errors import FacespaceError


def has_faiss() -> bool:
    """Whether the extra `index` is installed."""
    try:
        import faiss  # noqa: F401
    except ImportError:
        return False
    return True


def faiss_library() -> ModuleType:
    """Import faiss; the FacespaceError says how to install it."""
    try:
        import faiss
    except ImportError:
        raise FacespaceError(
            "this kind of index needs the package faiss-cpu, which is not installed: pip install 'facespace[index]'"
        ) from None
    return faiss
