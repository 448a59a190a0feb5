"""Anything a person calls a photo, to RGB uint8. Limits are checked before anything large is decoded."""

import io
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import PIL.Image
from numpy.typing import NDArray
from PIL import ImageOps, UnidentifiedImageError

from facespace.errors import ImageError

Image = NDArray[np.uint8]
Photo = str | os.PathLike[str] | bytes | BinaryIO | NDArray[np.uint8] | PIL.Image.Image

# Only these decoders ever see untrusted bytes.
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM")


@dataclass(frozen=True)
class Limits:
    """The largest photo that is decoded: bytes of the file, pixels of the image."""

    file_bytes: int = 64 << 20
    pixels: int = 64_000_000


def read_image(photo: Photo, limits: Limits | None = None) -> Image:
    """Decode a photo: upright by its EXIF orientation, in RGB.

    Transparent parts are laid on white; 16-bit grey is scaled to 8 bits; of an animation the first frame
    is taken.

    Parameters
    ----------
    photo : path, bytes, binary file, uint8 array of shape (h, w) or (h, w, 3), or PIL image
        An array is taken to be upright RGB or grey already.
    limits : Limits or None
        The default limits where None.

    Returns
    -------
    ndarray of uint8, shape (h, w, 3)

    Raises
    ------
    ImageError
        Missing, not an image, truncated or over the limits; the message names the photo.
    """
    limits = limits or Limits()
    name = name_of(photo)
    if isinstance(photo, np.ndarray):
        return _from_array(photo, limits)
    try:
        with warnings.catch_warnings():
            # Pillow warns of large images; the limits decide here.
            warnings.simplefilter("ignore")
            if isinstance(photo, PIL.Image.Image):
                return _to_rgb(photo, name, limits)
            with PIL.Image.open(io.BytesIO(_read_bytes(photo, name, limits)), formats=FORMATS) as opened:
                return _to_rgb(opened, name, limits)
    except UnidentifiedImageError:
        raise ImageError(f"{name} is not an image that can be read; take one of {', '.join(FORMATS)}") from None
    except PIL.Image.DecompressionBombError:
        raise ImageError(f"{name} is far larger than {limits.pixels:,} pixels; scale it down first") from None
    except ImageError:
        raise
    except Exception as error:  # a decoder may raise anything on damaged bytes
        raise ImageError(f"{name} is damaged or truncated ({error}); get the file again") from None


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


def _to_rgb(opened: PIL.Image.Image, name: str, limits: Limits) -> Image:
    width, height = opened.size
    _check_pixels(width, height, name, limits)
    upright = ImageOps.exif_transpose(opened)
    if upright.mode.startswith("I") or upright.mode == "F":
        return _from_deep_grey(upright)
    if upright.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in upright.info:
        layer = upright.convert("RGBA")
        paper = PIL.Image.new("RGBA", layer.size, (255, 255, 255, 255))
        upright = PIL.Image.alpha_composite(paper, layer)
    return np.array(upright.convert("RGB"))


def _from_deep_grey(image: PIL.Image.Image) -> Image:
    """16-bit grey (or what Pillow widens it to) scaled to 8 bits; Pillow's own conversion clips at 255."""
    values = np.asarray(image).astype(np.float64)
    top = 65535.0 if values.max(initial=0) > 255 else 255.0
    grey = np.clip(np.rint(values * (255 / top)), 0, 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def _from_array(array: NDArray[np.uint8], limits: Limits) -> Image:
    shape = array.shape
    grey, colour = array.ndim == 2, array.ndim == 3 and shape[-1] == 3
    if array.dtype != np.uint8 or not (grey or colour) or 0 in shape:
        raise ImageError(
            f"an array given as a photo must be uint8 of shape (h, w, 3) in RGB or (h, w), not {array.dtype} {shape}"
        )
    _check_pixels(shape[1], shape[0], "the array", limits)
    return np.repeat(array[..., None], 3, axis=2) if grey else array


def _check_pixels(width: int, height: int, name: str, limits: Limits) -> None:
    if width * height > limits.pixels:
        raise ImageError(
            f"{name} has {width:,} x {height:,} pixels, more than the {limits.pixels:,} allowed; "
            "scale it down or raise the limit"
        )
