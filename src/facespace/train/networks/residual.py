"""Residual networks for faces: a compact one after ArcFace's (Deng et al., 2019), and a small one for CPUs."""

from collections.abc import Sequence

from torch import Tensor, nn

from facespace.train.networks.layers import OnSphere, conv_norm, conv_norm_relu, global_depthwise, halved

# Half the channels of the published IR-18: 4.4 million parameters instead of 14, a quarter of the multiply-adds.
_CHANNELS = (32, 64, 128, 256)
_BLOCKS = 2
# Channels and blocks of each stage of the network for CPUs; each stage halves the size.
_SMALL_STAGES = ((32, 2), (64, 3), (128, 3))
_DEEPER_STAGES = ((32, 2), (64, 4), (128, 5))
_SMALL_STEM, _SMALL_HEAD = 16, 384


class ImprovedResidual(nn.Module):
    """ArcFace's 'improved residual' block: normalisation, two 3x3 convolutions (the second with stride), shortcut."""

    def __init__(self, before: int, channels: int, stride: int):
        super().__init__()
        self.path = nn.Sequential(
            nn.BatchNorm2d(before), conv_norm_relu(before, channels, 3), conv_norm(channels, channels, 3, stride)
        )
        changes = stride != 1 or before != channels
        self.shortcut = conv_norm(before, channels, 1, stride) if changes else nn.Identity()

    def forward(self, features: Tensor) -> Tensor:
        """Float (n, before, h, w) to (n, channels, h / stride, w / stride)."""
        added: Tensor = self.shortcut(features) + self.path(features)
        return added


def resnet_18(width: int, height: int, dimension: int) -> nn.Module:
    """Eighteen layers of 32 to 256 channels: 4.4 million parameters, 0.66 billion multiply-adds at 112x112.

    (n, 3, height, width) -> (n, dimension) with L2 norm 1.

    As in all IR networks, the first convolution keeps the full size, because 112 pixels are few. The last feature map
    goes into one linear layer with weights for each position.
    """
    layers: list[nn.Module] = [conv_norm_relu(3, _CHANNELS[0], 3)]
    before = _CHANNELS[0]
    for channels in _CHANNELS:
        for block in range(_BLOCKS):
            layers.append(ImprovedResidual(before, channels, 2 if block == 0 else 1))
            before = channels
    cells = halved(width, len(_CHANNELS)) * halved(height, len(_CHANNELS))
    return nn.Sequential(
        *layers, nn.BatchNorm2d(before), nn.Flatten(), nn.Linear(before * cells, dimension), OnSphere()
    )


class Residual(nn.Module):
    """Residual block: two 3x3 convolutions, the first with stride, and a shortcut (He, Zhang, Ren and Sun, 2016)."""

    def __init__(self, before: int, channels: int, stride: int):
        super().__init__()
        self.path = nn.Sequential(conv_norm_relu(before, channels, 3, stride), conv_norm(channels, channels, 3))
        changes = stride != 1 or before != channels
        self.shortcut = conv_norm(before, channels, 1, stride) if changes else nn.Identity()
        self.relu = nn.ReLU(inplace=True)

    def forward(self, features: Tensor) -> Tensor:
        """Float (n, before, h, w) to (n, channels, h / stride, w / stride)."""
        added: Tensor = self.relu(self.shortcut(features) + self.path(features))
        return added


def small_resnet(width: int, height: int, dimension: int) -> nn.Module:
    """A residual network with few channels: 1.2 million parameters, 0.11 billion multiply-adds at 112x112.

    (n, 3, height, width) -> (n, dimension) with L2 norm 1.

    A CPU computes dense 3x3 convolutions near its peak speed and depthwise ones far below it. So this network trains
    six times as fast as `mobile_face` and embeds twice as fast, with about as many parameters (docs/decisions/063).
    The last feature map is reduced by global depthwise convolution, as there.
    """
    return residual_tower(_SMALL_STEM, _SMALL_STAGES, _SMALL_HEAD, width, height, dimension)


def deeper_small_resnet(width: int, height: int, dimension: int) -> nn.Module:
    """`small_resnet` with three more blocks: 1.8 million parameters, 0.15 billion multiply-adds at 112x112.

    (n, 3, height, width) -> (n, dimension) with L2 norm 1.

    It can begin as a trained `small_resnet` (`deepen`).
    """
    return residual_tower(_SMALL_STEM, _DEEPER_STAGES, _SMALL_HEAD, width, height, dimension)


def deepen(network: nn.Module, weights: dict[str, Tensor]) -> None:
    """Make a new `deeper_small_resnet` compute exactly what a `small_resnet` with these weights computes.

    The blocks that the shallower network lacks add nothing at first: the scale of their last normalisation is 0 (Chen,
    Goodfellow and Shlens 2016, section 2.3, with a residual block as the identity).

    Raises
    ------
    RuntimeError
        The weights are not those of a `small_resnet` of the same size.
    """
    # Position in the deeper network of each part of the shallower one; 0 is the first convolution.
    places, old, new = {0: 0}, 1, 1
    for (_, few), (_, many) in zip(_SMALL_STAGES, _DEEPER_STAGES, strict=True):
        places |= {old + block: new + block for block in range(few)}
        for block in range(few, many):
            # `path` is two convolutions, each with its normalisation.
            nn.init.zeros_(network.get_parameter(f"{new + block}.path.1.1.weight"))
        old, new = old + few, new + many
    moved = dict(network.state_dict())
    for name, values in weights.items():
        part, rest = name.split(".", 1)
        # What follows the blocks keeps its distance from the last of them.
        moved[f"{places.get(int(part), int(part) - old + new)}.{rest}"] = values
    network.load_state_dict(moved)


def residual_tower(
    stem: int, stages: Sequence[tuple[int, int]], head: int, width: int, height: int, dimension: int
) -> nn.Module:
    """A network of `Residual` blocks: (n, 3, height, width) -> (n, dimension) with L2 norm 1.

    Parameters
    ----------
    stem : channels of the first convolution, which halves the size
    stages : channels and number of blocks of each stage; the first block of a stage halves the size
    head : channels that are weighed position by position at the end
    width, height : of the input, in pixels
    dimension : numbers in an embedding
    """
    layers: list[nn.Module] = [conv_norm_relu(3, stem, 3, 2)]
    before = stem
    for channels, blocks in stages:
        for block in range(blocks):
            layers.append(Residual(before, channels, 2 if block == 0 else 1))
            before = channels
    size = 1 + len(stages)
    return nn.Sequential(
        *layers,
        conv_norm_relu(before, head, 1),
        *global_depthwise(head, halved(height, size), halved(width, size)),
        conv_norm(head, dimension, 1),
        nn.Flatten(),
        OnSphere(),
    )
