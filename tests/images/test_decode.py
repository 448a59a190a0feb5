"""Decoding of photos, and rejection of everything else."""

import io
import struct
import time
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, features

from facespace.errors import ImageError
from facespace.images import EXTENSIONS, Limits, decode_photo, formats, read_image, resize, shrink

# A picture without symmetry, so that no rotation or reflection maps it to itself.
PICTURE = np.zeros((20, 30, 3), np.uint8)
PICTURE[:10, :15] = (250, 20, 20)
PICTURE[10:, :15] = (20, 250, 20)
PICTURE[:10, 15:] = (20, 20, 250)


def saved(image, kind, **options):
    target = io.BytesIO()
    image.save(target, kind, **options)
    return target.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM"])
def test_lossless_formats_round_trip_exactly(kind):
    assert (read_image(saved(Image.fromarray(PICTURE), kind)) == PICTURE).all()


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_lossy_formats_round_trip_approximately(kind):
    found = read_image(saved(Image.fromarray(PICTURE), kind, quality=95))
    assert np.abs(found.astype(int) - PICTURE).mean() < 8


def test_a_path_bytes_a_file_an_array_and_a_pil_image_are_the_same_photo(tmp_path):
    image = Image.fromarray(PICTURE)
    path = tmp_path / "ein Föto.png"
    image.save(path)
    for photo in (path, str(path), path.read_bytes(), io.BytesIO(path.read_bytes()), PICTURE, image):
        assert (read_image(photo) == PICTURE).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_exif_orientation_is_applied(orientation):
    stored = {
        1: PICTURE,
        2: PICTURE[:, ::-1],
        3: PICTURE[::-1, ::-1],
        4: PICTURE[::-1],
        5: PICTURE.transpose(1, 0, 2),
        6: np.rot90(PICTURE),
        7: PICTURE[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(PICTURE, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo = saved(Image.fromarray(np.ascontiguousarray(stored)), "PNG", exif=exif)
    assert (read_image(photo) == PICTURE).all()


def test_grey_palette_and_cmyk_become_rgb():
    grey = Image.fromarray(PICTURE).convert("L")
    assert (read_image(saved(grey, "PNG")) == np.asarray(grey)[..., None]).all()
    palette = Image.fromarray(PICTURE).convert("P", palette=Image.Palette.ADAPTIVE)
    assert np.abs(read_image(saved(palette, "PNG")).astype(int) - PICTURE).max() <= 4
    cmyk = read_image(saved(Image.fromarray(PICTURE).convert("CMYK"), "JPEG", quality=95))
    assert np.abs(cmyk.astype(int) - PICTURE).mean() < 10


def test_transparent_parts_are_composited_on_white():
    clear = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    assert (read_image(saved(clear, "PNG")) == 255).all()


def test_sixteen_bit_grey_is_scaled_not_clipped():
    deep = np.array([[0, 255 * 257, 128 * 257]], np.uint16)
    assert read_image(saved(Image.fromarray(deep), "PNG"))[0, :, 0].tolist() == [0, 255, 128]


def test_a_grey_array_is_a_photo_and_a_float_array_is_not():
    assert read_image(np.full((3, 4), 7, np.uint8)).shape == (3, 4, 3)
    for bad in (np.zeros((3, 4, 3)), np.zeros((3, 4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8)):
        with pytest.raises(ImageError, match="must be uint8 of shape"):
            read_image(bad)


def test_what_is_not_an_image_is_named(tmp_path):
    (tmp_path / "letter.jpg").write_text("Dear Ada")
    with pytest.raises(ImageError, match=r"letter\.jpg is not an image.* JPEG.* AVIF"):
        read_image(tmp_path / "letter.jpg")
    with pytest.raises(ImageError, match=r"absent\.jpg: No such file"):
        read_image(tmp_path / "absent.jpg")
    with pytest.raises(ImageError, match="is a folder"):
        read_image(tmp_path)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_truncated_photo_is_refused(kind):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    whole = saved(noise, kind)
    with pytest.raises(ImageError, match="damaged or truncated"):
        read_image(whole[: len(whole) // 2])


def test_a_truncated_jpeg_is_accepted_on_request():
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    whole = saved(Image.fromarray(noise), "JPEG", quality=95)
    found = read_image(whole[: len(whole) // 2], truncated=True)
    assert (found[:8] == read_image(whole)[:8]).all()
    assert found.shape == (64, 64, 3)
    with pytest.raises(ImageError):
        read_image(saved(Image.fromarray(noise), "PNG")[:200], truncated=True)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_a_photo_is_decoded_no_larger_than_requested(kind, orientation):
    rows, columns = np.mgrid[:600, :1000]
    picture = np.stack([rows * 255 // 600, columns * 255 // 1000, rows * 0], axis=2).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo = saved(Image.fromarray(picture), kind, exif=exif)
    small = decode_photo(photo, longest=200)
    assert (small.width, small.height) == ((1000, 600) if orientation == 1 else (600, 1000))
    assert small.pixels.shape == ((120, 200, 3) if orientation == 1 else (200, 120, 3))
    assert small.scale == pytest.approx((5, 5))
    whole = read_image(photo)
    assert np.abs(small.pixels.astype(int) - resize(whole, *small.pixels.shape[1::-1])).max() <= 4
    assert decode_photo(photo, longest=2000).pixels.shape == whole.shape


def test_a_heic_photo_is_read_if_its_plugin_is_installed(tmp_path):
    pillow_heif = pytest.importorskip("pillow_heif", reason="HEIC needs the extra `heic`")
    smooth = Image.fromarray(PICTURE).resize((128, 96))
    pillow_heif.from_pillow(smooth).save(tmp_path / "photo.heic", quality=95)
    found = read_image(tmp_path / "photo.heic")
    assert np.abs(found.astype(int) - np.asarray(smooth)).mean() < 6


def test_a_heic_photo_without_the_plugin_says_what_to_install(monkeypatch):
    monkeypatch.setattr(formats, "heif_registered", lambda: False)
    with pytest.raises(ImageError, match=r"pip install 'facespace\[heic\]'"):
        read_image(b"\0\0\0\x18ftypheic" + bytes(100))


def test_avif_is_read_or_reported_if_pillow_lacks_it(monkeypatch):
    smooth = Image.fromarray(PICTURE).resize((128, 96))
    if features.check("avif"):
        found = read_image(saved(smooth, "AVIF", quality=90))
        assert np.abs(found.astype(int) - np.asarray(smooth)).mean() < 6
    monkeypatch.setattr(formats.features, "check", lambda name: False)
    for brands in (b"avif\0\0\0\0", b"mif1\0\0\0\0avif"):
        header = (len(brands) + 8).to_bytes(4) + b"ftyp" + brands
        with pytest.raises(ImageError, match="AVIF photo.*pip install -U pillow"):
            read_image(header + bytes(100))


def test_the_suffixes_match_those_of_pillow():
    wanted = {*formats.FORMATS, "MPO", "AVIF"}
    of_pillow = {ending for ending, kind in Image.registered_extensions().items() if kind in wanted}
    assert of_pillow - {".avif", ".avifs"} <= EXTENSIONS
    assert EXTENSIONS - of_pillow <= {".avif", ".avifs", ".heic", ".heif", ".hif"}


@pytest.mark.parametrize("kind", ["PNG", "JPEG2000", "TIFF"])
@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA", "LA", "CMYK", "I;16", "1"])
def test_converting_in_bands_matches_converting_at_once(monkeypatch, rng, kind, mode):
    if (kind, mode) in {("PNG", "CMYK"), ("JPEG2000", "CMYK"), ("JPEG2000", "P"), ("JPEG2000", "1")}:
        pytest.skip(f"{kind} has no {mode}")
    noise = Image.fromarray(rng.integers(0, 256, (90, 70, 3), dtype=np.uint8)).resize((210, 270), Image.BILINEAR)
    image = Image.fromarray(rng.integers(0, 65536, (270, 210), np.uint16)) if mode == "I;16" else noise.convert(mode)
    if mode in ("RGBA", "LA"):
        image.putalpha(noise.convert("L"))
    photo = saved(image, kind)
    whole, small = read_image(photo), decode_photo(photo, longest=100)
    assert np.abs(resize(whole, 78, 100).astype(int) - small.pixels).max() == 0
    monkeypatch.setattr(shrink, "BAND", 210 * 20)
    assert (read_image(photo) == whole).all()
    assert np.abs(decode_photo(photo, longest=100).pixels.astype(int) - small.pixels).max() <= 1


def test_the_white_level_of_deep_grey_is_that_of_the_whole_photo(monkeypatch):
    values = np.repeat(np.array([[0.5], [200]], np.float32), 50, axis=0)
    photo = saved(Image.fromarray(values), "TIFF")
    whole = read_image(photo)
    assert whole.max() == 200
    monkeypatch.setattr(shrink, "BAND", 10)
    assert (read_image(photo) == whole).all()


def test_a_rotated_tiff_is_upright_and_reports_its_upright_size():
    exif = Image.Exif()
    exif[0x0112] = 6
    photo = saved(Image.fromarray(np.ascontiguousarray(np.rot90(PICTURE))), "TIFF", exif=exif)
    found = decode_photo(photo)
    assert (found.pixels == PICTURE).all()
    assert (found.width, found.height) == (30, 20)
    small = decode_photo(photo, longest=15)
    assert small.pixels.shape == (10, 15, 3)
    assert (small.width, small.height) == (30, 20)


@pytest.mark.parametrize(("side", "reduced"), [(1008, 504), (1016, 508), (1100, 512), (2040, 510), (2160, 512)])
def test_a_jpeg_close_to_the_requested_side_is_not_scaled_again(side, reduced):
    photo = saved(Image.new("RGB", (side, side // 2)), "JPEG")
    found = decode_photo(photo, longest=512)
    assert found.pixels.shape[1] == reduced
    assert (found.width, found.height) == (side, side // 2)


def test_a_jpeg_over_the_limit_is_decoded_smaller_and_anything_else_says_what_to_do():
    limits, image = Limits(pixels=300 * 200), Image.new("RGB", (600, 400), (200, 30, 30))
    found = decode_photo(saved(image, "JPEG"), limits, longest=300)
    assert found.pixels.shape == (200, 300, 3)
    assert (found.width, found.height) == (600, 400)
    with pytest.raises(ImageError, match="600 x 400 pixels, more than the 60,000 allowed; .*save it as a JPEG"):
        decode_photo(saved(image, "PNG"), limits, longest=300)
    with pytest.raises(ImageError, match="more than the 60,000 allowed"):
        decode_photo(saved(Image.new("RGB", (602, 402)), "JPEG"), limits, longest=301)
    with pytest.raises(ImageError, match="allowed for WEBP"):
        decode_photo(saved(Image.new("RGB", (250, 200)), "WEBP"), limits, longest=300)


def test_a_progressive_jpeg_is_limited_by_its_decoders_memory():
    image = Image.new("RGB", (600, 400), (200, 30, 30))
    progressive = saved(image, "JPEG", progressive=True, subsampling=0)
    assert decode_photo(progressive, Limits(pixels=600 * 400 * 6 // 5), longest=300).pixels.shape == (200, 300, 3)
    with pytest.raises(ImageError, match="progressive JPEG of 600 x 400 pixels"):
        decode_photo(progressive, Limits(pixels=600 * 400 * 6 // 5 - 1), longest=300)


def test_a_jpeg_without_its_end_marker_is_accepted_on_request(cases):
    photo = cases / "missing_end_marker.jpg"
    with pytest.raises(ImageError, match=r"missing_end_marker\.jpg is damaged or truncated .*--truncated"):
        read_image(photo)
    assert read_image(photo, truncated=True).shape == (250, 250, 3)


def test_photos_that_failed_before_are_read(cases):
    assert read_image(cases / "face.jfif").shape == (250, 250, 3)
    if features.check("avif"):
        assert read_image(cases / "face.avif").shape == (250, 250, 3)


def png_claiming(width, height):
    """A PNG whose header claims a size, with hardly any data."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [10_000, 60_000])
def test_oversized_photos_are_refused_from_their_header(side):
    started = time.monotonic()
    with pytest.raises(ImageError, match=r"more than the 64,000,000 allowed|far more"):
        read_image(png_claiming(side, side))
    assert time.monotonic() - started < 1


def test_limits_can_be_set_by_the_caller():
    with pytest.raises(ImageError, match="30 x 20 pixels, more than the 500 allowed"):
        read_image(PICTURE, Limits(pixels=500))
    with pytest.raises(ImageError, match="larger than 100 bytes"):
        read_image(saved(Image.fromarray(PICTURE), "BMP"), Limits(file_bytes=100))


@settings(max_examples=300, deadline=None)
@given(content=st.binary(max_size=300))
def test_any_bytes_are_a_photo_or_an_image_error(content):
    with pytest.raises(ImageError):
        read_image(b"\xff\xd8" + content)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(kind=st.sampled_from(["JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "PPM", "JPEG2000"]), data=st.data())
def test_a_damaged_photo_is_a_photo_or_an_image_error(kind, data):
    content = bytearray(saved(Image.fromarray(PICTURE), kind))
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = read_image(bytes(content))
    except ImageError:
        return
    assert found.dtype == np.uint8
    assert found.shape[2] == 3
