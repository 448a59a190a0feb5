"""The augmentation of `augment` as tensor operations, for a GPU, which one processor cannot keep busy.

Each function makes the change of the same name there from the same random numbers, for all faces of a batch at once.
"""

import math
from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

from facespace.train.data.augment import (
    BLUR,
    COVER,
    FRAME_ANGLE,
    FRAME_BLACK,
    FRAME_DEPTH,
    GREY,
    JPEG_QUALITY,
    LOW_RESOLUTION,
    LUMA,
)
from facespace.train.data.jpeg import jpeg_compressed
from facespace.train.recipe import AugmentSection

# Faces changed at a time: enough for a GPU, 0.2 GB at 112x112 pixels.
_CHUNK = 512
# Of the Gaussian kernel: its half width, in pixels, for one pixel of deviation.
_REACH = 3


def augmented_on_device(
    pixels: Tensor, margin: int, size: tuple[int, int], options: AugmentSection, uniform: Tensor
) -> Tensor:
    """Augment faces on the device that holds them; as `augmented`, within a few levels.

    Parameters
    ----------
    pixels : uint8 tensor, shape (n, h + 2 margin, w + 2 margin, 3)
    margin : int
        Pixels on each side outside the centred crop; a shifted crop may show them.
    size : (width, height) of the result; h and w are scaled to it
    options : AugmentSection
    uniform : float tensor, shape (n, 36), on the same device
        The numbers of `Draw`.

    Returns
    -------
    float32 tensor, shape (n, 3, height, width), whole numbers 0..255
    """
    found = [
        _changed(pixels[start : start + _CHUNK], margin, size, options, uniform[start : start + _CHUNK].float())
        for start in range(0, len(pixels), _CHUNK)
    ]
    return torch.cat(found) if found else pixels.new_empty((0, 3, size[1], size[0]), dtype=torch.float32)


def _changed(pixels: Tensor, margin: int, size: tuple[int, int], options: AugmentSection, u: Tensor) -> Tensor:
    images = _moved(pixels, margin, size, options, u)
    if options.grey:
        images = torch.where((u[:, 25] < options.grey)[:, None, None, None], _brightness(images), images)
    if options.light or options.colour:
        images = _relit(images, options, u[:, 5:11])
    if options.frame:
        images = _framed(images, u[:, 26] < options.frame, u[:, 27:36])
    if options.erase:
        images = _covered(images, u[:, 11] < options.erase, u[:, 12:16])
    if options.blur:
        images = _some(images, u[:, 16] < options.blur, lambda some, v: _blurred(some, v[:, 17] * BLUR * size[0]), u)
    if options.low_resolution:
        chosen = u[:, 18] < options.low_resolution
        images = _some(images, chosen, lambda some, v: _coarse(some, LOW_RESOLUTION ** v[:, 19]), u)
    images = images.round().clamp(0, 255)
    if options.jpeg:
        low, high = JPEG_QUALITY
        images = _some(
            images,
            u[:, 20] < options.jpeg,
            lambda some, v: jpeg_compressed(some, (low + (high - low) * v[:, 21]).round().long()),
            u,
        )
    return images


def _some(images: Tensor, chosen: Tensor, change: Callable[[Tensor, Tensor], Tensor], u: Tensor) -> Tensor:
    """Change the chosen images only."""
    rows = torch.nonzero(chosen).flatten()
    return images.index_copy(0, rows, change(images[rows], u[rows])) if len(rows) else images


def _moved(pixels: Tensor, margin: int, size: tuple[int, int], options: AugmentSection, u: Tensor) -> Tensor:
    """Crop, mirror, rotate, scale and shift with a single resampling; outside the photo the edge is repeated."""
    (width, height), (rows, columns) = size, pixels.shape[1:3]
    inner_width, inner_height = columns - 2 * margin, rows - 2 * margin
    mirror = 1 - 2 * (u[:, 0] < options.flip).float()
    angle, zoom = torch.deg2rad(_signed(u[:, 1]) * options.rotate), 1 + _signed(u[:, 2]) * options.scale
    across = zoom * mirror * (1 + _signed(u[:, 24]) * options.turn) * inner_width
    down = zoom * inner_height
    # `affine_grid` maps -1..1 of the result, its outer edges, to -1..1 of the face with its margin.
    matrix = torch.stack(
        [
            torch.stack([angle.cos() * across / columns, -angle.sin() * down / columns], dim=1),
            torch.stack([angle.sin() * across / rows, angle.cos() * down / rows], dim=1),
        ],
        dim=1,
    )
    move = torch.stack(
        [
            _signed(u[:, 3]) * options.shift * inner_width * 2 / columns,
            _signed(u[:, 4]) * options.shift * inner_height * 2 / rows,
        ],
        dim=1,
    )
    theta = torch.cat([matrix, move[:, :, None]], dim=2)
    grid = functional.affine_grid(theta, [len(pixels), 3, height, width], align_corners=False)
    return functional.grid_sample(
        pixels.permute(0, 3, 1, 2).float(), grid, mode="bilinear", padding_mode="border", align_corners=False
    )


def _relit(images: Tensor, options: AugmentSection, u: Tensor) -> Tensor:
    """Change contrast (around the face's mean), brightness, saturation and colour of the light."""
    luma = images.new_tensor(LUMA)
    contrast, brightness = 1 + _signed(u[:, 0]) * options.light, 255 * _signed(u[:, 1]) * options.light / 2
    saturation = (1 + _signed(u[:, 2]) * options.colour)[:, None, None]
    light = torch.exp(_signed(u[:, 3:6]) * options.colour / 2)
    light = light / (light @ luma)[:, None]
    mixed = saturation * torch.eye(3, device=images.device) + (1 - saturation) * luma
    matrix = contrast[:, None, None] * light[:, :, None] * mixed
    added = images.mean(dim=(1, 2, 3)) * (1 - contrast) + brightness
    return (torch.einsum("nij,njhw->nihw", matrix, images) + added[:, None, None, None]).clamp(0, 255)


def _framed(images: Tensor, chosen: Tensor, u: Tensor) -> Tensor:
    """Imitate a face at the edge of a photo: cover one to three sides, all rotated by one small angle."""
    height, width = images.shape[2:]
    x = torch.arange(width, device=images.device) - width / 2
    y = torch.arange(height, device=images.device) - height / 2
    angle = torch.deg2rad(_signed(u[:, 0]) * FRAME_ANGLE)
    sides, first = 1 + (3 * u[:, 5]).floor(), (4 * u[:, 6]).floor()
    colour = torch.where((u[:, 1] < FRAME_BLACK)[:, None], torch.zeros_like(u[:, 2:5]), (255 * u[:, 2:5]).round())
    outside = torch.zeros((len(images), height, width), dtype=torch.bool, device=images.device)
    for number in range(3):
        turned = (angle + (first + number) * math.pi / 2)[:, None, None]
        depth = (FRAME_DEPTH * width * u[:, 7 + number % 2] * (1 if number == 0 else 0.6))[:, None, None]
        beyond = -turned.sin() * x[None, None, :] + turned.cos() * y[None, :, None]
        # A pixel that the edge touches is covered, as Pillow draws it.
        outside |= (beyond >= width / 2 - depth - 0.5) & (number < sides)[:, None, None]
    return torch.where((outside & chosen[:, None, None])[:, None], colour[:, :, None, None], images)


def _covered(images: Tensor, chosen: Tensor, u: Tensor) -> Tensor:
    """Paint a grey rectangle over the face."""
    height, width = images.shape[2:]
    low, high = COVER
    x, y = torch.arange(width, device=images.device), torch.arange(height, device=images.device)

    def within(places: Tensor, side: int, share: Tensor, where: Tensor) -> Tensor:
        length = (side * (low + (high - low) * share)).round()
        start = (where * (side - length)).round()
        return (places >= start[:, None]) & (places < (start + length.clamp(min=1))[:, None])

    inside = within(x, width, u[:, 0], u[:, 2])[:, None, :] & within(y, height, u[:, 1], u[:, 3])[:, :, None]
    return torch.where((inside & chosen[:, None, None])[:, None], float(GREY[0]), images)


def _blurred(images: Tensor, deviations: Tensor) -> Tensor:
    """Gaussian blur with a deviation in pixels for each image."""
    count, channels, height, width = images.shape
    reach = max(1, math.ceil(_REACH * BLUR * width))
    places = torch.arange(-reach, reach + 1, device=images.device)
    kernels = torch.exp(-(places**2) / (2 * deviations.clamp(min=1e-3)[:, None] ** 2))
    kernels = (kernels / kernels.sum(dim=1, keepdim=True)).repeat_interleave(channels, dim=0)
    flat = functional.pad(images.reshape(1, -1, height, width), [reach] * 4, mode="replicate")
    flat = functional.conv2d(flat, kernels[:, None, None, :], groups=count * channels)
    flat = functional.conv2d(flat, kernels[:, None, :, None], groups=count * channels)
    return flat.reshape(images.shape)


def _coarse(images: Tensor, shares: Tensor) -> Tensor:
    """Scale each image down to a share of each side, and up again."""
    height, width = images.shape[2:]
    down = [_down_and_up(height, max(round(height * share), 1), images.device) for share in shares.tolist()]
    across = [_down_and_up(width, max(round(width * share), 1), images.device) for share in shares.tolist()]
    return torch.stack(down)[:, None] @ images @ torch.stack(across)[:, None].transpose(2, 3)


@cache
def _down_and_up(side: int, fewer: int, device: torch.device) -> Tensor:
    """The matrix (side, side) that scales a column of pixels down and up again, with bilinear filters."""
    column = torch.eye(side)[None, None]
    down = functional.interpolate(column, (fewer, side), mode="bilinear", align_corners=False, antialias=True)
    up = functional.interpolate(down, (side, side), mode="bilinear", align_corners=False, antialias=True)
    return up[0, 0].to(device)


def _brightness(images: Tensor) -> Tensor:
    return torch.einsum("j,njhw->nhw", images.new_tensor(LUMA), images)[:, None].expand_as(images)


def _signed(u: Tensor) -> Tensor:
    return 2 * u - 1
