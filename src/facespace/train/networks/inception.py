"""The paper's Inception networks: NN2 (table 2), NN3, NN4, and the small NNS1 and NNS2 (section 3.3, table 3)."""

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from facespace.train.networks.layers import OnSphere, conv_norm_relu, halved


@dataclass(frozen=True)
class Module:
    """A row of table 2: channels of each branch, 0 for an absent branch.

    one : 1x1
    three, five : (1x1 reduction, 3x3 or 5x5)
    pooling : 'max', or 'L2' (see `L2Pool`), always 3x3
    projection : 1x1 after the pooling; 0 for none, which keeps all channels
    stride : of the 3x3, the 5x5 and the pooling
    """

    one: int
    three: tuple[int, int]
    five: tuple[int, int]
    pooling: Literal["max", "L2"]
    projection: int
    stride: int = 1


# Table 2, inception 3a to 5b.
_NN2 = (
    Module(64, (96, 128), (16, 32), "max", 32),
    Module(64, (96, 128), (32, 64), "L2", 64),
    Module(0, (128, 256), (32, 64), "max", 0, stride=2),
    Module(256, (96, 192), (32, 64), "L2", 128),
    Module(224, (112, 224), (32, 64), "L2", 128),
    Module(192, (128, 256), (32, 64), "L2", 128),
    Module(160, (144, 288), (32, 64), "L2", 128),
    Module(0, (160, 256), (64, 128), "max", 0, stride=2),
    Module(384, (192, 384), (48, 128), "L2", 128),
    Module(384, (192, 384), (48, 128), "max", 128),
)
# NN4 'does not use 5x5 convolutions in the higher layers': from 4e on, which gives the paper's 285 million.
_NN4 = (*_NN2[:7], *(replace(module, five=(0, 0)) for module in _NN2[7:]))
_STEM, _SECOND = 64, (64, 192)
# Layers of stride 2 before the last map.
_HALVINGS = 5


class L2Pool(nn.Module):
    """Root mean square of each 3x3 neighbourhood, at a stride of 1; keeps the size.

    The paper sums the squares. The mean differs only by a factor, which the following projection absorbs.
    """

    def forward(self, features: Tensor) -> Tensor:
        """Float (n, c, h, w) to the same shape."""
        # The square root has an infinite slope at 0, and after ReLU whole neighbourhoods are 0.
        return torch.sqrt(functional.avg_pool2d(features.square(), 3, stride=1, padding=1) + 1e-6)


class Inception(nn.Module):
    """One Inception module: parallel branches, concatenated by channels."""

    def __init__(self, before: int, module: Module):
        super().__init__()
        branches: list[nn.Module] = []
        if module.one:
            branches.append(conv_norm_relu(before, module.one, 1))
        for kernel, (reduction, channels) in ((3, module.three), (5, module.five)):
            if channels:
                branches.append(
                    nn.Sequential(
                        conv_norm_relu(before, reduction, 1),
                        conv_norm_relu(reduction, channels, kernel, module.stride),
                    )
                )
        pool: nn.Module = L2Pool() if module.pooling == "L2" else nn.MaxPool2d(3, module.stride, padding=1)
        if module.projection:
            pool = nn.Sequential(pool, conv_norm_relu(before, module.projection, 1))
        self.branches = nn.ModuleList([*branches, pool])
        self.channels = module.one + module.three[1] + module.five[1] + (module.projection or before)

    def forward(self, features: Tensor) -> Tensor:
        """Float (n, before, h, w) to (n, channels, h / stride, w / stride)."""
        return torch.cat([branch(features) for branch in self.branches], dim=1)


def nn2(width: int, height: int, dimension: int) -> nn.Module:
    """NN2 (table 2), at 224x224: 7.5 million parameters, 1.6 billion multiply-adds.

    (n, 3, height, width) -> (n, dimension) with L2 norm 1. At 160x160 it is NN3.

    The table has local response normalisation in two places and no other normalisation. Here every convolution is
    followed by batch normalisation instead; without it such a deep network hardly starts to learn.
    """
    trunk, channels = _trunk(_STEM, _SECOND, _NN2)
    return nn.Sequential(*trunk, *_averaged(channels, dimension))


def nn4(width: int, height: int, dimension: int) -> nn.Module:
    """NN4 (section 3.3), at 96x96: NN2 without 5x5 in the higher layers, 285 million multiply-adds.

    (n, 3, height, width) -> (n, dimension) with L2 norm 1.

    The paper does not say where the higher layers begin. Without 5x5 from inception 4e on, the number of multiply-adds
    is the paper's 285 million. Normalisation is as in NN2.
    """
    trunk, channels = _trunk(_STEM, _SECOND, _NN4)
    return nn.Sequential(*trunk, *_averaged(channels, dimension))


def nns1(width: int, height: int, dimension: int) -> nn.Module:
    """NNS1, 'mini Inception' (section 3.3), at 165x165: 26 million parameters, 220 million multiply-adds.

    (n, 3, height, width) -> (n, dimension) with L2 norm 1.

    The paper gives these two counts and the input size, but no table. Here: NN2 up to 4e with half its channels and
    without 5x5, which the paper calls a minor loss; then a hidden layer over all positions, as in NN1. Only such a
    layer has so many parameters for so few multiply-adds.
    """
    trunk, channels = _trunk(*_narrowed(8, _NN2[:8]))
    return nn.Sequential(*trunk, *_with_hidden_layer(channels, width, height, 1664, dimension))


def nns2(width: int, height: int, dimension: int) -> nn.Module:
    """NNS2, 'tiny Inception' (section 3.3), at 116x140: 4.3 million parameters, 20 million multiply-adds.

    (n, 3, height, width) -> (n, dimension) with L2 norm 1.

    As for NNS1, the paper gives no table. It writes the input as 140x116, read here as height by width, since faces
    are taller than wide. Here: 3a to 3c and 4e of NN2 with 3/16 of their channels, without 5x5, and a hidden layer.
    """
    trunk, channels = _trunk(*_narrowed(3, (*_NN2[:3], _NN2[7])))
    return nn.Sequential(*trunk, *_with_hidden_layer(channels, width, height, 1408, dimension))


def _narrowed(sixteenths: int, modules: tuple[Module, ...]) -> tuple[int, tuple[int, int], tuple[Module, ...]]:
    """Scale the channels of a trunk by sixteenths / 16, and drop the 5x5 branches."""

    def less(channels: int) -> int:
        return channels * sixteenths // 16

    return (
        less(_STEM),
        (less(_SECOND[0]), less(_SECOND[1])),
        tuple(
            Module(
                less(module.one), (less(module.three[0]), less(module.three[1])), (0, 0), module.pooling,
                less(module.projection), module.stride,
            )
            for module in modules
        ),
    )  # fmt: skip


def _trunk(stem: int, second: tuple[int, int], modules: tuple[Module, ...]) -> tuple[list[nn.Module], int]:
    """Build the layers up to the last feature map; return them and its channels."""
    layers: list[nn.Module] = [
        conv_norm_relu(3, stem, 7, stride=2),
        nn.MaxPool2d(3, 2, padding=1),
        conv_norm_relu(stem, second[0], 1),
        conv_norm_relu(second[0], second[1], 3),
        nn.MaxPool2d(3, 2, padding=1),
    ]
    before = second[1]
    for module in modules:
        inception = Inception(before, module)
        layers.append(inception)
        before = inception.channels
    return layers, before


def _averaged(channels: int, dimension: int) -> list[nn.Module]:
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, dimension), OnSphere()]


def _with_hidden_layer(channels: int, width: int, height: int, hidden: int, dimension: int) -> list[nn.Module]:
    cells = halved(width, _HALVINGS) * halved(height, _HALVINGS)
    return [
        nn.Flatten(),
        nn.Linear(channels * cells, hidden, bias=False),
        nn.BatchNorm1d(hidden),
        nn.ReLU(inplace=True),
        nn.Linear(hidden, dimension),
        OnSphere(),
    ]
