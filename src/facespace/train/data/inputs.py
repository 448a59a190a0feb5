"""What the network sees: pixels 0..255 become about -1..1; the model card says the same."""

from torch import Tensor

MEAN = STD = 127.5


def as_input(channels: Tensor) -> Tensor:
    """Float (n, 3, h, w) in 0..255 to what the network takes."""
    return (channels - MEAN) / STD
