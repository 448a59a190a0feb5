"""Whatever colours a file holds, to sRGB in 8 bits."""

import io
from functools import lru_cache

import numpy as np
import PIL.Image
from numpy.typing import NDArray
from PIL import ImageCms

# Larger ones are damage or worse: a printer's profile with all its tables has about 2 MB.
LARGEST_PROFILE = 8 << 20
# Colour spaces a profile may be for, by Pillow's mode.
SPACES = {"RGB": "RGB ", "CMYK": "CMYK", "L": "GRAY"}


def to_rgb(image: PIL.Image.Image) -> NDArray[np.uint8]:
    """Decode a Pillow image of any mode to sRGB.

    An embedded ICC profile is followed; one that is damaged or of another colour space is not. Transparent parts
    are laid on white. 16-bit grey is scaled to 8 bits, not clipped.

    Returns
    -------
    ndarray of uint8, shape (h, w, 3)
    """
    if image.mode.startswith("I") or image.mode == "F":
        return _from_deep_grey(image)
    profile = image.info.get("icc_profile")
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        layer = image.convert("RGBA")
        colours = _managed(layer.convert("RGB"), profile)
        paper = PIL.Image.new("RGB", layer.size, (255, 255, 255))
        paper.paste(colours, mask=layer.getchannel("A"))
        return np.array(paper)
    if image.mode == "P":
        image = image.convert("RGB")
    return np.array(_managed(image, profile))


def _managed(image: PIL.Image.Image, profile: bytes | None) -> PIL.Image.Image:
    if image.mode == "LAB":
        return ImageCms.profileToProfile(image, ImageCms.createProfile("LAB"), _srgb(), outputMode="RGB") or image
    if profile and image.mode in SPACES and len(profile) <= LARGEST_PROFILE:
        transform = _transform(profile, image.mode)
        if transform is not None:
            return ImageCms.applyTransform(image, transform) or image
    return image.convert("RGB")


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


def _from_deep_grey(image: PIL.Image.Image) -> NDArray[np.uint8]:
    """Grey of 16 or 32 bits or floating point; Pillow's own conversion clips at 255."""
    values = np.nan_to_num(np.asarray(image).astype(np.float64))
    if image.mode.startswith("I;16"):
        top = 65535.0
    else:
        # Wider modes do not say what white is; the usual whites are 1, 255 and 65535.
        highest = values.max(initial=0)
        top = next((white for white in (1.0, 255.0, 65535.0) if highest <= white), highest)
        if image.mode == "I" and top == 1:
            top = 255.0
    grey = np.clip(np.rint(values * (255 / top)), 0, 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)
