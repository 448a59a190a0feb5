"""The detector's network: plain convolutions down to strides 8, 16 and 32, a top-down path, one output layer.

Depthwise convolutions save multiplications and no time on processors (docs/decisions/063-plain-convolutions.md), so
there are none. For each cell of each stride the output has 15 numbers, as `facespace.faces.one_shot` decodes them.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

STRIDES = (8, 16, 32)
# Score; centre and size of the box; five landmarks.
OUTPUTS = 1 + 4 + 10
# Sides of a box whose logarithmic size is 0, in cells.
CELLS = 4.0


class Grid(NamedTuple):
    """The cells of all strides, one after the other: centres (n, 2) in pixels, strides (n,)."""

    centres: Tensor
    strides: Tensor


def convolution(inputs: int, outputs: int, stride: int = 1, kernel: int = 3, relu: bool = True) -> nn.Sequential:
    """A convolution with batch normalisation, and ReLU where wanted."""
    layers: list[nn.Module] = [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(outputs),
    ]  # fmt: skip
    return nn.Sequential(*layers, nn.ReLU(inplace=True)) if relu else nn.Sequential(*layers)


class Residual(nn.Module):
    """A residual block of two convolutions (He et al., 2016), which starts as the identity."""

    def __init__(self, width: int):
        super().__init__()
        self.first = convolution(width, width)
        self.second = convolution(width, width, relu=False)
        nn.init.zeros_(self.second[1].weight)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """From (n, width, h, w) to the same."""
        return functional.relu(x + self.second(self.first(x)))


class DetectorNetwork(nn.Module):
    """From pixels (n, 3, h, w), 0 to 1, h and w multiples of 32, to maps (n, 15, h / s, w / s) of three strides.

    Parameters
    ----------
    stem : channels at strides 2 and 4
    widths : channels at strides 8, 16 and 32
    neck : channels of the top-down path
    depths : residual blocks at strides 8, 16 and 32
    """

    def __init__(
        self,
        stem: tuple[int, int],
        widths: tuple[int, int, int],
        neck: int,
        depths: tuple[int, int, int] = (0, 1, 1),
    ):
        super().__init__()
        self.section = (stem, widths, neck, depths)
        first, second = stem
        eight, sixteen, thirty_two = widths
        self.stem = nn.Sequential(convolution(3, first, 2), convolution(first, second, 2))
        blocks = [[Residual(width) for _ in range(depth)] for width, depth in zip(widths, depths, strict=True)]
        self.stages = nn.ModuleList(
            [
                nn.Sequential(convolution(second, eight, 2), convolution(eight, eight), *blocks[0]),
                nn.Sequential(convolution(eight, sixteen, 2), *blocks[1]),
                nn.Sequential(convolution(sixteen, thirty_two, 2), *blocks[2]),
            ]
        )
        self.sides = nn.ModuleList(convolution(width, neck, kernel=1, relu=False) for width in widths)
        self.smooth = nn.ModuleList(convolution(neck, neck) for _ in widths)
        self.out = nn.Conv2d(neck, OUTPUTS, 1, bias=False)
        # An optimiser that keeps the norm of matrices (Muon) needs another way to change the scale of outputs.
        self.scale = nn.Parameter(torch.ones(OUTPUTS, 1, 1))
        self.bias = nn.Parameter(torch.zeros(OUTPUTS, 1, 1))
        nn.init.normal_(self.out.weight, std=0.02)
        nn.init.constant_(self.bias[0], -4.5)

    def forward(self, x: Tensor) -> list[Tensor]:
        """From pixels to the maps of strides 8, 16 and 32."""
        # Frozen weights need no activations stored for gradients.
        with torch.set_grad_enabled(torch.is_grad_enabled() and next(self.stem.parameters()).requires_grad):
            x = self.stem(x)
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        fine, middle, coarse = (side(feature) for side, feature in zip(self.sides, features, strict=True))
        coarse = functional.relu(coarse)
        middle = functional.relu(middle + functional.interpolate(coarse, scale_factor=2.0, mode="nearest"))
        fine = functional.relu(fine + functional.interpolate(middle, scale_factor=2.0, mode="nearest"))
        merged = (fine, middle, coarse)
        return [
            self.out(smooth(level)) * self.scale + self.bias for smooth, level in zip(self.smooth, merged, strict=True)
        ]


def grown(weights: dict[str, Tensor], network: DetectorNetwork) -> dict[str, Tensor]:
    """Convert the weights of a narrower or shallower network to weights of this one that compute the same.

    New channels do not change the existing outputs, and new blocks are the identity.

    Raises
    ------
    ValueError
        A layer of the other network is wider, or is not in this one.
    """
    made = {name: value.clone() for name, value in network.state_dict().items()}
    for name, old in weights.items():
        new = made.get(name)
        if new is None or new.ndim != old.ndim or any(n < o for n, o in zip(new.shape, old.shape, strict=True)):
            raise ValueError(f"{name} does not fit")
        if new.ndim == 4:
            new[: old.shape[0]] = 0
        new[tuple(slice(size) for size in old.shape)] = old
    return made


def grid(height: int, width: int, device: torch.device | None = None) -> Grid:
    """The cells of an input of this size."""
    centres, strides = [], []
    for stride in STRIDES:
        rows, columns = torch.meshgrid(
            torch.arange(height // stride, device=device), torch.arange(width // stride, device=device), indexing="ij"
        )
        own = (torch.stack([columns, rows], dim=-1).reshape(-1, 2) + 0.5) * stride
        centres.append(own)
        strides.append(torch.full((len(own),), float(stride), device=device))
    return Grid(torch.cat(centres), torch.cat(strides))


def flat(maps: list[Tensor]) -> Tensor:
    """The maps of all strides as rows of cells: (n, cells, 15), float32."""
    return torch.cat([level.flatten(2).transpose(1, 2).float() for level in maps], dim=1)


def decode(values: Tensor, centres: Tensor, strides: Tensor) -> tuple[Tensor, Tensor]:
    """Boxes (..., 4) as left, top, right, bottom, and landmarks (..., 5, 2), of outputs (..., 15); in pixels.

    Landmarks lie relative to the middle of the box, in units of the square root of its area.
    """
    middle = centres + values[..., 1:3] * strides[..., None]
    size = torch.exp(values[..., 3:5].clamp(-4, 4)) * (strides[..., None] * CELLS)
    boxes = torch.cat([middle - size / 2, middle + size / 2], dim=-1)
    # The loss of landmarks must not change the box.
    unit = size.detach().prod(dim=-1).sqrt()[..., None, None]
    points = values[..., 5:].reshape(*values.shape[:-1], 5, 2)
    return boxes, middle.detach()[..., None, :] + points * unit
