"""Random changes to training faces, a whole batch at a time."""

import math

import torch
from torch import Tensor
from torch.nn import functional

from facespace.train.recipe import AugmentSection


def augment(pixels: Tensor, options: AugmentSection, generator: torch.Generator) -> Tensor:
    """Mirror, turn, zoom, move, relight and partly cover faces.

    Parameters
    ----------
    pixels : float tensor, shape (n, 3, h, w), 0..255
    options : AugmentSection
        How much of each.
    generator : torch.Generator
        The only source of chance.

    Returns
    -------
    float tensor, shape (n, 3, h, w), 0..255
    """
    count, _, height, width = pixels.shape

    def uniform(largest: float) -> Tensor:
        return (torch.rand(count, generator=generator) * 2 - 1) * largest

    mirror = 1 - 2 * (torch.rand(count, generator=generator) < options.flip).float()
    angle, zoom = uniform(math.radians(options.rotate)), 1 + uniform(options.scale)
    # affine_grid works in coordinates from -1 to 1 on both axes; the aspect keeps a turn from shearing.
    aspect = height / width
    cosine, sine = torch.cos(angle) * zoom, torch.sin(angle) * zoom
    move_x, move_y = uniform(2 * options.shift), uniform(2 * options.shift)
    matrices = torch.stack(
        [
            torch.stack([cosine * mirror, -sine * aspect, move_x], dim=1),
            torch.stack([sine / aspect * mirror, cosine, move_y], dim=1),
        ],
        dim=1,
    )
    grid = functional.affine_grid(matrices, list(pixels.shape), align_corners=False)
    changed = functional.grid_sample(pixels, grid, padding_mode="border", align_corners=False)

    contrast, brightness = 1 + uniform(options.light), 255 * uniform(options.light / 2)
    means = changed.mean(dim=(1, 2, 3), keepdim=True)
    changed = (changed - means) * contrast.view(-1, 1, 1, 1) + means + brightness.view(-1, 1, 1, 1)
    if options.erase:
        changed = _cover(changed, options.erase, generator)
    return changed.clamp(0, 255)


def _cover(pixels: Tensor, chance: float, generator: torch.Generator) -> Tensor:
    """Paint a grey rectangle over some faces, as a hand, a scarf or a frame would."""
    count, _, height, width = pixels.shape
    draw = torch.rand(5, count, generator=generator)
    tall, wide = height * (0.1 + draw[0] * 0.23), width * (0.1 + draw[1] * 0.23)
    top, left = draw[2] * (height - tall), draw[3] * (width - wide)
    rows, columns = torch.arange(height).view(1, -1, 1), torch.arange(width).view(1, 1, -1)
    inside = (rows >= top.view(-1, 1, 1)) & (rows < (top + tall).view(-1, 1, 1))
    inside = inside & (columns >= left.view(-1, 1, 1)) & (columns < (left + wide).view(-1, 1, 1))
    covered = inside & (draw[4] < chance).view(-1, 1, 1)
    return torch.where(covered.unsqueeze(1), torch.tensor(127.5), pixels)
