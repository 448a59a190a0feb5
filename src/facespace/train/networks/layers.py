"""Parts that several networks share."""

from torch import Tensor, nn
from torch.nn import functional


class OnSphere(nn.Module):
    """The last part of every network: to L2 norm 1 (paper figure 2). (n, d) -> (n, d)."""

    def forward(self, features: Tensor) -> Tensor:
        """Float (n, d) to (n, d)."""
        return functional.normalize(features, dim=1)


def conv_norm(
    before: int, channels: int, kernel: int, stride: int = 1, groups: int = 1, padding: int | None = None
) -> nn.Sequential:
    """A convolution and batch normalisation, which one convolution can replace after training.

    Parameters
    ----------
    padding : int or None
        So much that a stride of 1 keeps the size where None.
    """
    return nn.Sequential(
        nn.Conv2d(before, channels, kernel, stride, kernel // 2 if padding is None else padding, 1, groups, bias=False),
        nn.BatchNorm2d(channels),
    )


def conv_norm_relu(before: int, channels: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """`conv_norm` and ReLU, with padding that keeps the size at a stride of 1."""
    return nn.Sequential(*conv_norm(before, channels, kernel, stride, groups), nn.ReLU(inplace=True))


def halved(size: int, times: int) -> int:
    """A side in pixels after so many layers of stride 2 that pad to keep the size: halves, rounded up."""
    return -(-size // 2**times)


def weighed(channels: int, height: int, width: int) -> tuple[nn.Module, nn.Module]:
    """A map to one position: a depthwise convolution as large as the map, and normalisation.

    Each position has its own weight for each channel, where an average would count all alike (MobileFaceNets, Chen
    et al., 2018, section 3.1).
    """
    return nn.Conv2d(channels, channels, (height, width), groups=channels, bias=False), nn.BatchNorm2d(channels)
