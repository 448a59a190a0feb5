"""Decode photos to RGB uint8. Limits are checked before anything large is decoded."""

import io
import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import PIL.Image
from numpy.typing import NDArray
from PIL import UnidentifiedImageError

from facespace.errors import ImageError
from facespace.filenames import text_of
from facespace.images.formats import BYTES_A_PIXEL, accepted_formats, formats_for, jpeg_in_one_scan
from facespace.images.scale import resize
from facespace.images.shrink import drawn

Image = NDArray[np.uint8]
Photo = str | os.PathLike[str] | bytes | BinaryIO | NDArray[np.uint8] | PIL.Image.Image

# The EXIF orientation tag, and its values for photos stored on their side.
ORIENTATION, LYING = 0x0112, (5, 6, 7, 8)

# A JPEG may come out this much smaller than requested; otherwise it is decoded at twice the size and scaled down.
NEARLY = 0.95
# A JPEG may exceed the pixel limit by this factor if it is decoded at a reduced size within the limit.
REDUCED = 4
# Peak memory of decoding, in bytes per allowed pixel: with the default limits, a process that detects faces in one
# photo stays below 500 MB (docs/decisions/013-large-photos.md).
PEAK = 5.75
# Bytes of coefficients per allowed pixel, for a JPEG whose coefficients are all in memory at once.
COEFFICIENTS = 5
# Photos with more pixels than this are decoded one at a time, whatever the number of threads.
ALONE = 16_000_000

_alone = threading.Lock()


@dataclass(frozen=True)
class Limits:
    """The largest photo that is decoded.

    file_bytes : size of the file
    pixels : width times height. Formats whose decoders need more memory per pixel have a lower limit; a JPEG that is
        scaled down while decoding may have up to four times as many.
    """

    file_bytes: int = 64 << 20
    pixels: int = 64_000_000


@dataclass(frozen=True)
class Decoded:
    """A decoded photo, possibly scaled down.

    pixels : uint8, shape (h, w, 3), RGB
    width, height : of the original photo, upright
    """

    pixels: Image
    width: int
    height: int

    @property
    def scale(self) -> tuple[float, float]:
        """Pixels of the photo per pixel of `pixels`, horizontally and vertically."""
        return self.width / self.pixels.shape[1], self.height / self.pixels.shape[0]


def read_image(photo: Photo, limits: Limits | None = None, *, truncated: bool = False) -> Image:
    """Decode a photo to upright sRGB, applying its EXIF orientation.

    Transparent parts are composited on white; 16-bit grey is scaled to 8 bits; an ICC profile is applied; the first
    frame of an animation is used.

    Parameters
    ----------
    photo : path, bytes, binary file, uint8 array of shape (h, w) or (h, w, 3), or PIL image
        An array must be upright RGB or grey.
    limits : Limits or None
        None uses the default limits.
    truncated : bool
        Accept a JPEG file that ends too early; the missing part is grey.

    The photo is decoded at full size; `decode_photo` bounds the memory that a large one takes.

    Returns
    -------
    ndarray of uint8, shape (h, w, 3)

    Raises
    ------
    ImageError
        The photo is missing, not an image, truncated, or over the limits; the message names it.
    """
    return decode_photo(photo, limits, truncated=truncated).pixels


def decode_photo(
    photo: Photo,
    limits: Limits | None = None,
    *,
    longest: int | None = None,
    truncated: bool = False,
    name: str | None = None,
) -> Decoded:
    """Decode a photo at no more than the size needed.

    Parameters
    ----------
    photo, limits, truncated
        As for `read_image`.
    longest : int or None
        Scale down so that the longest side has at most this many pixels. A JPEG decoder does most of that by
        dropping frequencies, so the full-size photo never exists, and a JPEG with up to four times the allowed pixels
        is accepted; if that gives at least 95 % of the requested side, it is not scaled any further. Other formats
        are decoded at full size, then converted and scaled down in bands of rows.
    name : str or None
        Name of the photo in messages; None uses its path, or a description of it.

    Raises
    ------
    ImageError
        As for `read_image`.
    """
    limits = limits or Limits()
    name = name or name_of(photo)
    if isinstance(photo, np.ndarray):
        return _fitted(_from_array(photo, limits, name), longest)
    try:
        with warnings.catch_warnings():
            # Pillow warns about large images; here the limits decide.
            warnings.simplefilter("ignore")
            if isinstance(photo, PIL.Image.Image):
                return _upright(photo, photo.size, name, limits, longest)
            content = _read_bytes(photo, name, limits)
            if truncated and content.startswith(b"\xff\xd8"):
                # With an end-of-image marker, the decoder accepts what came before it.
                content += b"\xff\xd9"
            with PIL.Image.open(io.BytesIO(content), formats=formats_for(content, name)) as opened:
                stored = opened.size
                _reduce(opened, content, name, limits, longest)
                return _upright(opened, stored, name, limits, longest)
    except UnidentifiedImageError:
        raise ImageError(
            f"{name} is not an image in a supported format; use one of {', '.join(accepted_formats())}"
        ) from None
    except PIL.Image.DecompressionBombError:
        raise ImageError(f"{name} has far more than {limits.pixels:,} pixels; scale it down first") from None
    except ImageError:
        raise
    except Exception as error:  # a decoder may raise anything on damaged bytes
        raise ImageError(
            f"{name} is damaged or truncated ({error}); get the file again, or accept the readable part of a JPEG: "
            "truncated=True, or --truncated on the command line"
        ) from None


def write_image(path: str | os.PathLike[str], image: Image) -> None:
    """Write an RGB image (h, w, 3) in the format given by the file name's suffix; raises ImageError if it fails."""
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        PIL.Image.fromarray(image).save(path)
    except (OSError, ValueError, KeyError) as error:
        raise ImageError(f"cannot write {text_of(path)}: {error}") from None


def name_of(photo: Photo) -> str:
    """Name a photo in messages: its path as text (see `text_of`), the name of a file or image, or 'the photo'."""
    if isinstance(photo, str | os.PathLike):
        return text_of(photo)
    if isinstance(photo, np.ndarray):
        return "the array"
    return str(getattr(photo, "name", "") or getattr(photo, "filename", "") or "the photo")


def _read_bytes(photo: str | os.PathLike[str] | bytes | BinaryIO, name: str, limits: Limits) -> bytes:
    if isinstance(photo, bytes):
        content = photo
    elif isinstance(photo, str | os.PathLike):
        path = Path(photo)
        if path.is_dir():
            raise ImageError(f"{name} is a folder; give a photo in it")
        try:
            with path.open("rb") as file:
                content = file.read(limits.file_bytes + 1)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise ImageError(f"cannot read {name}: {reason}; check the path") from None
    else:
        content = photo.read(limits.file_bytes + 1)
    if len(content) > limits.file_bytes:
        raise ImageError(f"{name} is larger than {limits.file_bytes:,} bytes; save it at a smaller size")
    return content


def _reduce(opened: PIL.Image.Image, content: bytes, name: str, limits: Limits, longest: int | None) -> None:
    """Tell the decoder to decode a JPEG at a half, a quarter or an eighth of its size, if that is enough."""
    if not content.startswith(b"\xff\xd8"):
        return
    width, height = opened.size
    scales = [scale for scale in (8, 4, 2) if longest and max(width, height) / scale >= NEARLY * longest]
    if scales and width * height <= REDUCED * limits.pixels:
        # Only the JPEG decoder supports this.
        opened.draft(None, (max(1, width // scales[0]), max(1, height // scales[0])))
    sampling = [(layer[1], layer[2]) for layer in getattr(opened, "layer", [])]
    if sampling and not jpeg_in_one_scan(content):
        finest = max(across for across, _ in sampling) * max(down for _, down in sampling)
        held = 2 * width * height * sum(across * down for across, down in sampling) / finest
        if held > COEFFICIENTS * limits.pixels:
            raise ImageError(
                f"{name} is a progressive JPEG of {width:,} x {height:,} pixels, which needs too much memory to "
                "decode; save it at a smaller size, or as a baseline JPEG"
            )


def _upright(
    opened: PIL.Image.Image, stored: tuple[int, int], name: str, limits: Limits, longest: int | None
) -> Decoded:
    _check_pixels(*opened.size, name, limits, opened.format)
    reduced = opened.size != stored
    with _one_at_a_time(opened.size):
        # Pillow applies the orientation of a TIFF when loading it, and then reports orientation 1.
        opened.load()
        width, height = stored if reduced else opened.size
        shrink = 1.0 if longest is None else min(1.0, longest / max(opened.size))
        pixels = drawn(opened, *(max(1, round(side * shrink)) for side in opened.size))
        orientation = opened.getexif().get(ORIENTATION, 1)
    if orientation in LYING:
        width, height = height, width
    return Decoded(_turned(pixels, orientation), width, height)


def _turned(pixels: Image, orientation: int) -> Image:
    """Apply an EXIF orientation to stored pixels."""
    if orientation in (2, 4):
        pixels = pixels[:, ::-1] if orientation == 2 else pixels[::-1]
    elif orientation in (3, 6, 8):
        pixels = np.rot90(pixels, {8: 1, 3: 2, 6: 3}[orientation])
    elif orientation in (5, 7):
        pixels = (pixels if orientation == 5 else pixels[::-1, ::-1]).transpose(1, 0, 2)
    return np.ascontiguousarray(pixels)


@contextmanager
def _one_at_a_time(size: tuple[int, int]) -> Iterator[None]:
    if size[0] * size[1] <= ALONE:
        yield
        return
    with _alone:
        yield


def _fitted(pixels: Image, longest: int | None) -> Decoded:
    height, width = pixels.shape[:2]
    if longest is not None and max(width, height) > longest:
        shrink = longest / max(width, height)
        pixels = resize(pixels, max(1, round(width * shrink)), max(1, round(height * shrink)))
    return Decoded(pixels, width, height)


def _from_array(array: NDArray[np.uint8], limits: Limits, name: str) -> Image:
    shape = array.shape
    grey, colour = array.ndim == 2, array.ndim == 3 and shape[-1] == 3
    if array.dtype != np.uint8 or not (grey or colour) or 0 in shape:
        raise ImageError(
            f"a photo given as an array must be uint8 of shape (h, w, 3) in RGB or (h, w), not {array.dtype} {shape}"
        )
    _check_pixels(shape[1], shape[0], name, limits)
    return np.repeat(array[..., None], 3, axis=2) if grey else array


def _check_pixels(width: int, height: int, name: str, limits: Limits, kind: str | None = None) -> None:
    allowed = int(limits.pixels * min(1.0, PEAK / BYTES_A_PIXEL.get(kind or "", PEAK)))
    if width * height > allowed:
        raise ImageError(
            f"{name} has {width:,} x {height:,} pixels, more than the {allowed:,} allowed"
            f"{f' for {kind}' if kind in BYTES_A_PIXEL else ''}; scale it down, or save it as a JPEG, which may have "
            f"{REDUCED * limits.pixels:,} pixels for face detection"
        )
