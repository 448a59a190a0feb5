"""Convert any colour space to 8-bit sRGB."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import PIL.Image
from PIL import ImageCms

# Larger profiles are damaged or malicious: a printer's profile with all its tables has about 2 MB.
LARGEST_PROFILE = 8 << 20
# The colour space that a profile must have, by Pillow's mode.
SPACES = {"RGB": "RGB ", "CMYK": "CMYK", "L": "GRAY"}


@dataclass(frozen=True)
class Conversion:
    """How to convert an image to sRGB; the image may be converted in parts.

    white : for grey images deeper than 8 bits, the value that becomes 255; None for other images
    """

    white: float | None

    @classmethod
    def of(cls, image: PIL.Image.Image, bands: Sequence[tuple[int, int]]) -> "Conversion":
        """Choose the conversion for a loaded Pillow image, which is read in bands of rows (top, bottom)."""
        if not _is_deep_grey(image):
            return cls(None)
        if image.mode.startswith("I;16"):
            return cls(65535.0)
        # Deep modes do not record the white level; it is usually 1, 255 or 65535.
        parts = (np.asarray(image.crop((0, top, image.width, bottom))) for top, bottom in bands)
        highest = max(float(np.nan_to_num(part.astype(np.float64)).max(initial=0)) for part in parts)
        white = next((white for white in (1.0, 255.0, 65535.0) if highest <= white), highest)
        return cls(255.0 if image.mode == "I" and white == 1 else white)

    def rgb(self, part: PIL.Image.Image) -> PIL.Image.Image:
        """Convert a part of the image to sRGB.

        An embedded ICC profile is applied, unless it is damaged or for another colour space. Transparent parts are
        composited on white. 16-bit grey is scaled to 8 bits, not clipped.
        """
        if self.white is not None:
            return _from_deep_grey(part, self.white)
        profile = part.info.get("icc_profile")
        if part.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in part.info:
            layer = part.convert("RGBA")
            colours = _managed(layer.convert("RGB"), profile)
            paper = PIL.Image.new("RGB", layer.size, (255, 255, 255))
            paper.paste(colours, mask=layer.getchannel("A"))
            return paper
        if part.mode == "P":
            part = part.convert("RGB")
        return _managed(part, profile)


def _is_deep_grey(image: PIL.Image.Image) -> bool:
    return image.mode.startswith("I") or image.mode == "F"


def _managed(image: PIL.Image.Image, profile: bytes | None) -> PIL.Image.Image:
    if image.mode == "LAB":
        return ImageCms.profileToProfile(image, ImageCms.createProfile("LAB"), _srgb(), outputMode="RGB") or image
    if profile and image.mode in SPACES and len(profile) <= LARGEST_PROFILE:
        transform = _transform(profile, image.mode)
        if transform is not None:
            return ImageCms.applyTransform(image, transform) or image
    return image if image.mode == "RGB" else image.convert("RGB")


@lru_cache(maxsize=16)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Make a transform from a profile to sRGB; None if the pixels are sRGB already or the profile is unusable."""
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if opened.profile.xcolor_space != SPACES[mode] or "sRGB" in (opened.profile.profile_description or ""):
            return None
        return ImageCms.buildTransform(opened, _srgb(), mode, "RGB")
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
        return None


@lru_cache(maxsize=1)
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def _from_deep_grey(image: PIL.Image.Image, white: float) -> PIL.Image.Image:
    """Convert grey of 16 or 32 bits or floating point; Pillow's own conversion clips at 255."""
    values = np.nan_to_num(np.asarray(image).astype(np.float64))
    grey = np.clip(np.rint(values * (255 / white)), 0, 255).astype(np.uint8)
    return PIL.Image.fromarray(grey).convert("RGB")
