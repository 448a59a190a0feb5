"""Conversion of colour spaces to sRGB."""

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageCms

from facespace.images import read_image


def tag_xyz(x, y, z):
    return b"XYZ \0\0\0\0" + b"".join(struct.pack(">i", round(value * 65536)) for value in (x, y, z))


def tag_gamma(gamma):
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"


def profile(space, tags):
    """A minimal ICC profile (version 2, ICC.1:2001-04, section 6) with these tags."""
    tags = {b"wtpt": tag_xyz(0.9642, 1, 0.8249), **tags}
    offset, table, body = 128 + 4 + 12 * len(tags), b"", b""
    for name, content in tags.items():
        table += name + struct.pack(">II", offset + len(body), len(content))
        body += content
    size = offset + len(body)
    header = struct.pack(">I4xI4s4s4s", size, 0x02400000, b"mntr", space, b"XYZ ") + b"\0" * 12 + b"acsp"
    header = header.ljust(68, b"\0") + tag_xyz(0.9642, 1, 0.8249)[8:]
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


# sRGB's primaries, adapted to D50.
RED, GREEN, BLUE = (0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141)
SWAPPED = profile(
    b"RGB ",
    {
        **dict(zip((b"rXYZ", b"gXYZ", b"bXYZ"), (tag_xyz(*BLUE), tag_xyz(*GREEN), tag_xyz(*RED)), strict=True)),
        **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), tag_gamma(2.2)),
    },
)
LINEAR_GREY = profile(b"GRAY", {b"kTRC": tag_gamma(1.0)})


def saved(image, kind="PNG", **options):
    target = io.BytesIO()
    image.save(target, kind, **options)
    return target.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_an_embedded_profile_is_applied(kind):
    red = Image.new("RGB", (8, 8), (255, 0, 0))
    options = {"lossless": True} if kind == "WEBP" else {}
    found = read_image(saved(red, kind, icc_profile=SWAPPED, **options))
    assert np.abs(found.astype(int) - (0, 0, 255)).max() <= 6


def test_a_profile_is_applied_with_transparency_and_a_palette():
    half = Image.new("RGBA", (8, 8), (255, 0, 0, 128))
    assert np.abs(read_image(saved(half, icc_profile=SWAPPED)).astype(int) - (127, 127, 255)).max() <= 6
    palette = Image.new("RGB", (8, 8), (255, 0, 0)).convert("P", palette=Image.Palette.ADAPTIVE)
    assert np.abs(read_image(saved(palette, icc_profile=SWAPPED)).astype(int) - (0, 0, 255)).max() <= 6


def test_a_grey_profile_is_applied():
    # Half the light is 188 of 255 in sRGB.
    found = read_image(saved(Image.new("L", (8, 8), 128), icc_profile=LINEAR_GREY))
    assert np.abs(found.astype(int) - 188).max() <= 2


@pytest.mark.parametrize("broken", [b"no profile", SWAPPED[:200], LINEAR_GREY])
def test_a_damaged_or_mismatched_profile_is_ignored(broken):
    red = Image.new("RGB", (8, 8), (255, 0, 0))
    assert (read_image(saved(red, icc_profile=broken)) == (255, 0, 0)).all()


def test_srgb_itself_changes_nothing():
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    colours = np.arange(192, dtype=np.uint8).reshape(8, 8, 3)
    assert (read_image(saved(Image.fromarray(colours), icc_profile=srgb)) == colours).all()


def test_lab_becomes_rgb():
    red = Image.new("RGB", (8, 8), (255, 0, 0))
    lab = ImageCms.profileToProfile(
        red, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    assert np.abs(read_image(saved(lab, "TIFF")).astype(int) - (255, 0, 0)).max() <= 8


def test_cmyk_is_converted_subtractively():
    ink = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    for kind in ("TIFF", "JPEG"):
        assert np.abs(read_image(saved(ink, kind)).astype(int) - (255, 0, 0)).max() <= 8


def test_dark_sixteen_bit_grey_stays_dark():
    deep = np.full((4, 4), 200, np.uint16)
    assert read_image(saved(Image.fromarray(deep))).max() == 1


@pytest.mark.parametrize(("white", "kind"), [(1.0, np.float32), (255.0, np.float32), (65535.0, np.float32)])
def test_floating_point_grey_is_scaled_by_the_nearest_usual_white(white, kind):
    values = (np.array([[0, 0.5, 1]]) * white).astype(kind)
    assert read_image(saved(Image.fromarray(values), "TIFF"))[0, :, 0].tolist() == [0, 128, 255]
