"""Supported photo formats, by content and by file name suffix."""

from functools import lru_cache

from PIL import features

from facespace.errors import ImageError

# Only these decoders see untrusted bytes. AVIF is added if Pillow supports it, HEIF if its plugin is installed.
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "JPEG2000")
AVIF_BRANDS = (b"avif", b"avis")
HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")

# All suffixes that Pillow knows for these formats (a test compares the two), and those of HEIC. MPO is JPEG.
EXTENSIONS = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".webp", ".tif", ".tiff", ".bmp", ".gif"}
    | {".pbm", ".pgm", ".ppm", ".pnm", ".pfm", ".jp2", ".j2k", ".jpc", ".jpf", ".jpx", ".j2c"}
    | {".avif", ".avifs", ".heic", ".heif", ".hif"}
)

# Peak memory of decoding in bytes per pixel, measured by benchmarks/large_photos.py; 4 for formats not listed.
BYTES_A_PIXEL = {"WEBP": 16, "JPEG2000": 20, "AVIF": 10, "HEIF": 7.5}


def formats_for(content: bytes, name: str) -> tuple[str, ...]:
    """Choose the decoders to try for a file's content.

    Raises
    ------
    ImageError
        The photo is HEIC or AVIF, and its decoder is not installed.
    """
    if content[4:8] != b"ftyp":
        return FORMATS
    major, brands = content[8:12], content[8 : min(int.from_bytes(content[:4]), 256)]
    if major in AVIF_BRANDS or (major in (b"mif1", b"msf1") and any(brand in brands for brand in AVIF_BRANDS)):
        if not features.check("avif"):
            raise ImageError(
                f"{name} is an AVIF photo, which this version of Pillow cannot decode; run: pip install -U pillow"
            )
        return ("AVIF",)
    if major in HEIF_BRANDS:
        if not heif_registered():
            raise ImageError(f"{name} is a HEIC photo; to read it, run: pip install 'facespace[heic]'")
        return ("HEIF",)
    return FORMATS


def accepted_formats() -> tuple[str, ...]:
    """List the formats that Pillow can decode here, including its plugins."""
    return (*FORMATS, *(["AVIF"] if features.check("avif") else []), *(["HEIC"] if heif_registered() else []))


@lru_cache(maxsize=1)
def heif_registered() -> bool:
    """Register the HEIC plugin if it is installed; returns whether Pillow can decode HEIC."""
    try:
        import pillow_heif
    except ModuleNotFoundError:
        return False
    pillow_heif.register_heif_opener(thumbnails=False)
    return True


def jpeg_in_one_scan(content: bytes) -> bool:
    """Whether a JPEG can be decoded row by row.

    If it has several scans (progressive, or one component at a time), the decoder keeps all coefficients in memory,
    however small the decoded image. The markers are in ITU-T T.81, annex B.
    """
    at, components = 2, 0
    while at + 4 <= len(content) and content[at] == 0xFF:
        marker = content[at + 1]
        if marker == 0xFF:  # padding
            at += 1
            continue
        if marker == 0xDA:  # start of scan
            return content[at + 4] == components if at + 4 < len(content) else False
        if marker in (0xC0, 0xC1):  # a frame that is not progressive
            components = content[at + 9] if at + 9 < len(content) else 0
        elif 0xC2 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return False
        at += 2 + int.from_bytes(content[at + 2 : at + 4])
    return False
