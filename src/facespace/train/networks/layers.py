"""Layers that several networks share."""

from torch import Tensor, nn
from torch.nn import functional


class OnSphere(nn.Module):
    """The last layer of every network: L2 normalisation (paper figure 2). (n, d) -> (n, d)."""

    def forward(self, features: Tensor) -> Tensor:
        """Float (n, d) to (n, d)."""
        return functional.normalize(features, dim=1)


def conv_norm(
    before: int, channels: int, kernel: int, stride: int = 1, groups: int = 1, padding: int | None = None
) -> nn.Sequential:
    """Return a convolution and batch normalisation, which can be merged into one convolution after training.

    Parameters
    ----------
    padding : int or None
        None: the padding that keeps the size at a stride of 1.
    """
    return nn.Sequential(
        nn.Conv2d(before, channels, kernel, stride, kernel // 2 if padding is None else padding, 1, groups, bias=False),
        nn.BatchNorm2d(channels),
    )


def conv_norm_relu(before: int, channels: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Return `conv_norm` and ReLU, with padding that keeps the size at a stride of 1."""
    return nn.Sequential(*conv_norm(before, channels, kernel, stride, groups), nn.ReLU(inplace=True))


def halved(size: int, times: int) -> int:
    """Return a side in pixels after `times` padded layers of stride 2: each halves it, rounding up."""
    return -(-size // 2**times)


def global_depthwise(channels: int, height: int, width: int) -> tuple[nn.Module, nn.Module]:
    """Return global depthwise convolution: a depthwise convolution as large as the feature map, and normalisation.

    Unlike average pooling it has a weight for each position and channel (MobileFaceNets, Chen et al., 2018,
    section 3.1).
    """
    return nn.Conv2d(channels, channels, (height, width), groups=channels, bias=False), nn.BatchNorm2d(channels)
