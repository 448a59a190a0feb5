"""The paper's NN1 (table 1): a Zeiler-Fergus network with additional 1x1 convolutions."""

import torch
from torch import Tensor, nn

from facespace.train.networks.layers import OnSphere, conv_norm_relu, halved

# Channels of each 3x3 convolution after the first two; each follows a 1x1 that keeps the channels. 'pool' halves.
_ROWS: tuple[int | str, ...] = (384, "pool", 256, 256, 256, "pool")
# Outputs of a fully connected layer, and pieces of maxout ('maxout p = 2', 32x128, in the table).
_HIDDEN, _PIECES = 32 * 128, 2
_HALVINGS = 5


class Maxout(nn.Module):
    """Maxout: the maximum of `_PIECES` linear functions for each output."""

    def __init__(self, before: int, outputs: int):
        super().__init__()
        self.linear = nn.Linear(before, outputs * _PIECES)

    def forward(self, features: Tensor) -> Tensor:
        """Float (n, before) to (n, outputs)."""
        return torch.amax(self.linear(features).unflatten(1, (-1, _PIECES)), dim=2)


def nn1(width: int, height: int, dimension: int) -> nn.Module:
    """NN1 (table 1), at 220x220: 140 million parameters, most of them in two layers; 1.6 billion multiply-adds.

    (n, 3, height, width) -> (n, dimension) with L2 norm 1.

    The table has local response normalisation in two places. Here every convolution is followed by batch normalisation
    instead.
    """
    layers: list[nn.Module] = [
        conv_norm_relu(3, 64, 7, stride=2),
        _halve(),
        conv_norm_relu(64, 64, 1),
        conv_norm_relu(64, 192, 3),
        _halve(),
    ]
    before = 192
    for row in _ROWS:
        if isinstance(row, str):
            layers.append(_halve())
            continue
        layers += [conv_norm_relu(before, before, 1), conv_norm_relu(before, row, 3)]
        before = row
    cells = halved(width, _HALVINGS) * halved(height, _HALVINGS)
    return nn.Sequential(
        *layers,
        nn.Flatten(),
        Maxout(before * cells, _HIDDEN),
        Maxout(_HIDDEN, _HIDDEN),
        nn.Linear(_HIDDEN, dimension),
        OnSphere(),
    )


def _halve() -> nn.Module:
    return nn.MaxPool2d(3, stride=2, padding=1)
