"""Anything a person calls a photo, to RGB uint8. Limits are checked before anything large is decoded."""

import io
import os
import warnings
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

import numpy as np
import PIL.Image
from numpy.typing import NDArray
from PIL import ImageOps, UnidentifiedImageError

from facespace.errors import ImageError
from facespace.images.colour import to_rgb
from facespace.images.scale import resize

Image = NDArray[np.uint8]
Photo = str | os.PathLike[str] | bytes | BinaryIO | NDArray[np.uint8] | PIL.Image.Image

# Only these decoders ever see untrusted bytes; HEIF joins them where its plugin is installed.
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM")
HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")

# The EXIF tag, and its values for photos stored on their side.
ORIENTATION, LYING = 0x0112, (5, 6, 7, 8)


@dataclass(frozen=True)
class Limits:
    """The largest photo that is decoded: bytes of the file, pixels of the image."""

    file_bytes: int = 64 << 20
    pixels: int = 64_000_000


@dataclass(frozen=True)
class Decoded:
    """A photo as pixels, perhaps scaled down.

    pixels : uint8, shape (h, w, 3), RGB
    width, height : of the photo itself, upright
    """

    pixels: Image
    width: int
    height: int

    @property
    def scale(self) -> tuple[float, float]:
        """Pixels of the photo for one of `pixels`, across and down."""
        return self.width / self.pixels.shape[1], self.height / self.pixels.shape[0]


def read_image(photo: Photo, limits: Limits | None = None, *, truncated: bool = False) -> Image:
    """Decode a photo: upright by its EXIF orientation, in sRGB.

    Transparent parts are laid on white; 16-bit grey is scaled to 8 bits; an ICC profile is followed; of an
    animation the first frame is taken.

    Parameters
    ----------
    photo : path, bytes, binary file, uint8 array of shape (h, w) or (h, w, 3), or PIL image
        An array is taken to be upright RGB or grey already.
    limits : Limits or None
        The default limits where None.
    truncated : bool
        Take what is there of a JPEG file that ends too early; the rest is grey.

    Returns
    -------
    ndarray of uint8, shape (h, w, 3)

    Raises
    ------
    ImageError
        Missing, not an image, truncated or over the limits; the message names the photo.
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
    """Decode a photo, no larger than needed.

    Parameters
    ----------
    photo, limits, truncated
        As for `read_image`.
    longest : int or None
        Scale down so that the longest side has at most this many pixels. A JPEG decoder does most of it by
        leaving out frequencies, so the large photo never exists; other formats are decoded whole first.
    name : str or None
        What to call the photo in a message; its path, or what it is, where None.

    Raises
    ------
    ImageError
        As for `read_image`.
    """
    limits = limits or Limits()
    name = name or name_of(photo)
    if isinstance(photo, np.ndarray):
        return _fitted(_from_array(photo, limits, name), photo.shape[1], photo.shape[0], longest)
    try:
        with warnings.catch_warnings():
            # Pillow warns of large images; the limits decide here.
            warnings.simplefilter("ignore")
            if isinstance(photo, PIL.Image.Image):
                return _upright(photo, name, limits, longest)
            content = _read_bytes(photo, name, limits)
            if truncated and content.startswith(b"\xff\xd8"):
                # An end-of-image marker makes the decoder content with what came before it.
                content += b"\xff\xd9"
            with PIL.Image.open(io.BytesIO(content), formats=_formats_for(content, name)) as opened:
                return _upright(opened, name, limits, longest)
    except UnidentifiedImageError:
        raise ImageError(f"{name} is not an image that can be read; take one of {', '.join(FORMATS)}") from None
    except PIL.Image.DecompressionBombError:
        raise ImageError(f"{name} is far larger than {limits.pixels:,} pixels; scale it down first") from None
    except ImageError:
        raise
    except Exception as error:  # a decoder may raise anything on damaged bytes
        raise ImageError(f"{name} is damaged or truncated ({error}); get the file again") from None


def write_image(path: str | os.PathLike[str], image: Image) -> None:
    """Write an RGB image (h, w, 3) in the format its name ends in; ImageError where that cannot be done."""
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        PIL.Image.fromarray(image).save(path)
    except (OSError, ValueError, KeyError) as error:
        raise ImageError(f"cannot write {os.fspath(path)}: {error}") from None


def name_of(photo: Photo) -> str:
    """What to call a photo in a message."""
    if isinstance(photo, str | os.PathLike):
        return os.fspath(photo)
    if isinstance(photo, np.ndarray):
        return "the array"
    return str(getattr(photo, "name", "") or getattr(photo, "filename", "") or "the photo")


def _read_bytes(photo: str | os.PathLike[str] | bytes | BinaryIO, name: str, limits: Limits) -> bytes:
    if isinstance(photo, bytes):
        content = photo
    elif isinstance(photo, str | os.PathLike):
        path = Path(photo)
        if path.is_dir():
            raise ImageError(f"{name} is a folder; name a photo in it")
        try:
            with path.open("rb") as file:
                content = file.read(limits.file_bytes + 1)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise ImageError(f"cannot read {name}: {reason}; check the path") from None
    else:
        content = photo.read(limits.file_bytes + 1)
    if len(content) > limits.file_bytes:
        raise ImageError(f"{name} is larger than {limits.file_bytes:,} bytes; save it smaller or raise the limit")
    return content


def _formats_for(content: bytes, name: str) -> tuple[str, ...]:
    if content[4:8] != b"ftyp" or content[8:12] not in HEIF_BRANDS:
        return FORMATS
    if not _heif_registered():
        raise ImageError(f"{name} is a HEIC photo; to read it: pip install 'facespace[heic]'")
    return ("HEIF",)


@lru_cache(maxsize=1)
def _heif_registered() -> bool:
    try:
        import pillow_heif
    except ModuleNotFoundError:
        return False
    pillow_heif.register_heif_opener(thumbnails=False)
    return True


def _upright(opened: PIL.Image.Image, name: str, limits: Limits, longest: int | None) -> Decoded:
    width, height = opened.size
    _check_pixels(width, height, name, limits)
    if longest is not None and max(width, height) > longest:
        # Only JPEG heeds this. It gives at least the size asked for, on both sides.
        shrink = longest / max(width, height)
        opened.draft(None, (max(1, round(width * shrink)), max(1, round(height * shrink))))
    if opened.getexif().get(ORIENTATION) in LYING:
        width, height = height, width
    return _fitted(to_rgb(ImageOps.exif_transpose(opened)), width, height, longest)


def _fitted(pixels: Image, width: int, height: int, longest: int | None) -> Decoded:
    if longest is not None and max(width, height) > longest:
        shrink = longest / max(width, height)
        pixels = resize(pixels, max(1, round(width * shrink)), max(1, round(height * shrink)))
    return Decoded(pixels, width, height)


def _from_array(array: NDArray[np.uint8], limits: Limits, name: str) -> Image:
    shape = array.shape
    grey, colour = array.ndim == 2, array.ndim == 3 and shape[-1] == 3
    if array.dtype != np.uint8 or not (grey or colour) or 0 in shape:
        raise ImageError(
            f"an array given as a photo must be uint8 of shape (h, w, 3) in RGB or (h, w), not {array.dtype} {shape}"
        )
    _check_pixels(shape[1], shape[0], name, limits)
    return np.repeat(array[..., None], 3, axis=2) if grey else array


def _check_pixels(width: int, height: int, name: str, limits: Limits) -> None:
    if width * height > limits.pixels:
        raise ImageError(
            f"{name} has {width:,} x {height:,} pixels, more than the {limits.pixels:,} allowed; "
            "scale it down or raise the limit"
        )
