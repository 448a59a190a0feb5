"""Check Python values passed as photos; errors name the argument and the accepted types."""

import io
import os
import re
from typing import Any, Literal

import numpy as np
import PIL.Image

from facespace.errors import ImageError
from facespace.images.decode import Photo, name_of

Colour = Literal["RGB", "BGR"]

ACCEPTED = (
    "a path, bytes, an open binary file, a uint8 array of shape (h, w, 3) in RGB or (h, w) in grey, or a PIL image"
)

# A path is never longer than this; a base64-encoded photo always is.
_LONGEST_PATH = 4096
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{120,}={0,2}\s*\Z")


def as_photo(value: Any, name: str = "the photo", colour: Colour = "RGB") -> Photo:
    """Convert a value to a photo that can be decoded.

    Parameters
    ----------
    value : anything
        bytearray and memoryview are accepted as bytes.
    name : str
        Name of the argument for messages, such as 'a' or 'photos[3]'.
    colour : 'RGB' or 'BGR'
        Channel order of an array; OpenCV uses BGR. It does not affect files, bytes and PIL images.

    Raises
    ------
    ImageError
        It is not a photo. The message has the argument's name, its type and what is accepted, never the content.
    """
    if isinstance(value, bytearray | memoryview):
        value = bytes(value)
    if isinstance(value, str):
        _check_text(value, name)
    elif isinstance(value, np.ndarray):
        _check_array(value, name)
        if colour == "BGR" and value.ndim == 3:
            return np.ascontiguousarray(value[..., ::-1])
    elif hasattr(value, "read"):
        return _from_stream(value, name)
    elif isinstance(value, bytes):
        if not value:
            raise ImageError(f"{name} is empty (0 bytes); read the file again")
    elif not isinstance(value, os.PathLike | PIL.Image.Image):
        raise ImageError(f"{name} is {_kind(value)}{_advice(value)}; accepted are {ACCEPTED}")
    return value


def called(photo: Photo, name: str) -> str:
    """Name a photo in messages: its path or its file's name, otherwise the name of the argument."""
    if isinstance(photo, str | os.PathLike) or getattr(photo, "name", None) or getattr(photo, "filename", None):
        return name_of(photo)
    return name


def _check_text(text: str, name: str) -> None:
    if text.startswith("data:") or len(text) > _LONGEST_PATH or (_BASE64.match(text) and not os.path.lexists(text)):
        raise ImageError(
            f"{name} is text of {len(text):,} characters that looks like an encoded photo rather than a path; "
            "decode it first: base64.b64decode(text)"
        )
    if not text:
        raise ImageError(f"{name} is empty text; accepted are {ACCEPTED}")


def _check_array(array: np.ndarray[Any, Any], name: str) -> None:
    shape, grey, colour = array.shape, array.ndim == 2, array.ndim == 3 and array.shape[-1] == 3
    if array.dtype == np.uint8 and (grey or colour) and 0 not in shape:
        return
    advice = ""
    if array.ndim == 4 and array.shape[0] >= 1 and array.shape[-1] == 3:
        advice = "; these are several photos: pass each one separately, or pass list(array) to embed or stream"
    elif array.ndim == 3 and array.shape[0] == 3 and array.shape[-1] not in (3, 4):
        advice = "; the channels come first: array.transpose(1, 2, 0)"
    elif array.ndim == 3 and array.shape[-1] == 4:
        advice = "; drop the fourth channel: array[..., :3]"
    elif array.ndim == 3 and array.shape[-1] == 1:
        advice = "; drop the axis of length 1: array[..., 0]"
    elif array.dtype.kind == "f" and (grey or colour):
        advice = "; scale to 0..255 and convert: (255 * array).round().astype('uint8') for values from 0 to 1"
    raise ImageError(
        f"{name} is an array of {array.dtype} with shape {shape}, but a photo must be uint8 of shape "
        f"(h, w, 3) in RGB or (h, w) in grey{advice}"
    )


def _from_stream(stream: Any, name: str) -> Photo:
    try:
        first = b"" if isinstance(stream, io.TextIOBase) else stream.read(1)
        if isinstance(stream, io.TextIOBase) or isinstance(first, str):
            raise ImageError(f"{name} is a file that was opened as text; open it with mode 'rb'")
        if not first:
            raise ImageError(
                f"{name} is an open file with nothing left to read; if it was read before, rewind it with .seek(0)"
            )
        if not _seekable(stream):
            return _Prefixed(first, stream)  # type: ignore[return-value]
        stream.seek(-1, os.SEEK_CUR)
    except (OSError, ValueError) as error:
        raise ImageError(f"{name} is an open file that cannot be read: {error}; open it again") from None
    return stream


class _Prefixed:
    """A stream that cannot seek, with the first byte, which was read to find out whether it is empty."""

    def __init__(self, first: bytes, stream: Any):
        self._first, self._stream = first, stream
        self.name = getattr(stream, "name", "")

    def read(self, size: int = -1) -> bytes:
        """Read up to `size` bytes, or all."""
        first, self._first = self._first, b""
        if 0 <= size <= len(first):
            self._first = first[size:]
            return first[:size]
        return first + bytes(self._stream.read(size if size < 0 else size - len(first)))


def _seekable(stream: Any) -> bool:
    return bool(stream.seekable()) if hasattr(stream, "seekable") else True


def _kind(value: Any) -> str:
    if value is None:
        return "None"
    kind = type(value)
    named = kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    shape = getattr(value, "shape", None)
    return f"of type {named}" + (f" with shape {tuple(shape)}" if isinstance(shape, tuple) else "")


def _advice(value: Any) -> str:
    if value is None:
        return " (cv2.imread returns None if it cannot read a file: check the path)"
    if hasattr(value, "detach") and hasattr(value, "cpu"):
        return " (convert it: tensor.detach().cpu().numpy(), as uint8 of shape (h, w, 3))"
    if isinstance(value, list | tuple | set | dict) or hasattr(value, "__next__"):
        return " (pass several photos to embed or stream; convert nested lists: numpy.array(value, 'uint8'))"
    if hasattr(value, "__array__"):
        return " (convert it: numpy.asarray(value))"
    return ""
