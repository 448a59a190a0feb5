"""A network of a million parameters for faces on a phone or a CPU, after MobileFaceNets (Chen et al., 2018)."""

from torch import Tensor, nn

from facespace.train.networks.layers import OnSphere, conv_norm, conv_norm_relu, global_depthwise, halved

# Expansion, channels, repeats, stride of the first (MobileFaceNets, table 1).
_STAGES = ((2, 64, 5, 2), (4, 128, 1, 2), (2, 128, 6, 1), (4, 128, 1, 2), (2, 128, 2, 1))
_STEM, _HEAD = 64, 512


class Bottleneck(nn.Module):
    """Inverted residual: expand by 1x1, depthwise 3x3, project by 1x1; a shortcut if the shapes agree."""

    def __init__(self, before: int, channels: int, expansion: int, stride: int):
        super().__init__()
        wide = before * expansion
        self.adds = stride == 1 and before == channels
        self.path = nn.Sequential(
            conv_norm_relu(before, wide, 1),
            conv_norm_relu(wide, wide, 3, stride, groups=wide),
            conv_norm(wide, channels, 1),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Float (n, before, h, w) to (n, channels, h / stride, w / stride)."""
        changed: Tensor = self.path(features)
        return features + changed if self.adds else changed


def mobile_face(width: int, height: int, dimension: int) -> nn.Module:
    """A MobileFaceNet with ReLU: 1.0 million parameters, 0.22 billion multiply-adds at 112x112.

    (n, 3, height, width) -> (n, dimension) with L2 norm 1.

    The last feature map is reduced by global depthwise convolution, not by averaging, because the middle of a face says
    more than its edge. The published network uses PReLU; on a CPU a training step took five times as long with it as
    with ReLU, and inference three times as long (docs/decisions/060).
    """
    layers: list[nn.Module] = [conv_norm_relu(3, _STEM, 3, stride=2), conv_norm_relu(_STEM, _STEM, 3, groups=_STEM)]
    before = _STEM
    for expansion, channels, repeats, stride in _STAGES:
        for repeat in range(repeats):
            layers.append(Bottleneck(before, channels, expansion, stride if repeat == 0 else 1))
            before = channels
    return nn.Sequential(
        *layers,
        conv_norm_relu(before, _HEAD, 1),
        *global_depthwise(_HEAD, halved(height, 4), halved(width, 4)),
        conv_norm(_HEAD, dimension, 1),
        nn.Flatten(),
        OnSphere(),
    )
