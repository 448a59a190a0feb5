"""Whatever colours a file holds, to sRGB in 8 bits."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import PIL.Image
from PIL import ImageCms

# Larger ones are damage or worse: a printer's profile with all its tables has about 2 MB.
LARGEST_PROFILE = 8 << 20
# Colour spaces a profile may be for, by Pillow's mode.
SPACES = {"RGB": "RGB ", "CMYK": "CMYK", "L": "GRAY"}


@dataclass(frozen=True)
class Conversion:
    """How the colours of an image become sRGB; the image may be converted in parts.

    white : of grey deeper than 8 bits, the value that becomes 255; None for other images
    """

    white: float | None

    @classmethod
    def of(cls, image: PIL.Image.Image, bands: Sequence[tuple[int, int]]) -> "Conversion":
        """The conversion of a loaded Pillow image, which is looked at in bands of rows (top, bottom)."""
        if not _is_deep_grey(image):
            return cls(None)
        if image.mode.startswith("I;16"):
            return cls(65535.0)
        # Wider modes do not say what white is; the usual whites are 1, 255 and 65535.
        parts = (np.asarray(image.crop((0, top, image.width, bottom))) for top, bottom in bands)
        highest = max(float(np.nan_to_num(part.astype(np.float64)).max(initial=0)) for part in parts)
        white = next((white for white in (1.0, 255.0, 65535.0) if highest <= white), highest)
        return cls(255.0 if image.mode == "I" and white == 1 else white)

    def rgb(self, part: PIL.Image.Image) -> PIL.Image.Image:
        """A part of the image in sRGB.

        An embedded ICC profile is followed; one that is damaged or of another colour space is not. Transparent parts
        are laid on white. 16-bit grey is scaled to 8 bits, not clipped.
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
    """From a profile to sRGB; None where the pixels are sRGB already or the profile cannot be used."""
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
    """Grey of 16 or 32 bits or floating point; Pillow's own conversion clips at 255."""
    values = np.nan_to_num(np.asarray(image).astype(np.float64))
    grey = np.clip(np.rint(values * (255 / white)), 0, 255).astype(np.uint8)
    return PIL.Image.fromarray(grey).convert("RGB")
