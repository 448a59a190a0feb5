"""JPEG compression as tensor operations: what a photo looks like after it was compressed, on a GPU.

Only the lossy steps of baseline JPEG (ITU-T T.81) are computed: the change to YCbCr, colour at half the resolution, the
discrete cosine transform of blocks of 8x8 pixels, and rounding to multiples of the quantisation tables.
"""

import io
import math
from functools import cache

import PIL.Image
import torch
from torch import Tensor
from torch.nn import functional

_BLOCK = 8
# A block of half the resolution covers this many pixels.
_TILE = 2 * _BLOCK
# ITU-T T.871, section 7: to and from YCbCr.
_TO_YCBCR = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))
_TO_RGB = ((1.0, 0.0, 1.402), (1.0, -0.344136, -0.714136), (1.0, 1.772, 0.0))


def jpeg_compressed(images: Tensor, qualities: Tensor) -> Tensor:
    """Compress images to JPEG and decode them, with the tables of libjpeg.

    Parameters
    ----------
    images : float tensor, shape (n, 3, h, w), 0..255
    qualities : int64 tensor, shape (n,), 1 to 100

    Returns
    -------
    float tensor, shape (n, 3, h, w), 0..255
        Within a few levels of what Pillow gives, which rounds more often.
    """
    height, width = images.shape[2:]
    padding = (0, -width % _TILE, 0, -height % _TILE)
    whole = functional.pad(images, padding, mode="replicate") if any(padding) else images
    tables = torch.stack([_tables(int(quality)) for quality in qualities.tolist()]).to(images.device)
    colours = torch.einsum("ij,njhw->nihw", whole.new_tensor(_TO_YCBCR), whole)
    brightness = _quantised(colours[:, :1] - 128, tables[:, :1])
    colour = _quantised(functional.avg_pool2d(colours[:, 1:], 2), tables[:, 1:].expand(-1, 2, -1, -1))
    colour = functional.interpolate(colour, scale_factor=2, mode="bilinear", align_corners=False)
    back = torch.einsum("ij,njhw->nihw", whole.new_tensor(_TO_RGB), torch.cat([brightness + 128, colour], dim=1))
    return back.round().clamp(0, 255)[:, :, :height, :width]


def _quantised(planes: Tensor, tables: Tensor) -> Tensor:
    """Round the cosine coefficients of each block: planes (n, c, h, w), tables (n, c, 8, 8)."""
    basis = _cosines().to(planes.device)
    count, channels, height, width = planes.shape
    blocks = planes.reshape(count, channels, height // _BLOCK, _BLOCK, width // _BLOCK, _BLOCK).transpose(3, 4)
    steps = tables[:, :, None, None]
    coefficients = (basis @ blocks @ basis.T / steps).round() * steps
    return (basis.T @ coefficients @ basis).transpose(3, 4).reshape(planes.shape)


@cache
def _cosines() -> Tensor:
    """The orthonormal cosine transform of eight values, shape (8, 8); a row for each frequency."""
    places = torch.arange(_BLOCK, dtype=torch.float64)
    rows = torch.cos(math.pi / _BLOCK * (places[None, :] + 0.5) * places[:, None]) * math.sqrt(2 / _BLOCK)
    rows[0] /= math.sqrt(2)
    return rows.float()


@cache
def _tables(quality: int) -> Tensor:
    """Quantisation tables of brightness and colour at a quality, shape (2, 8, 8), as Pillow writes them."""
    file = io.BytesIO()
    PIL.Image.new("RGB", (_BLOCK, _BLOCK)).save(file, "JPEG", quality=quality)
    with PIL.Image.open(file, formats=["JPEG"]) as image:
        found = image.quantization  # type: ignore[attr-defined]
    return torch.tensor([found[0], found[1]], dtype=torch.float32).reshape(2, _BLOCK, _BLOCK)
