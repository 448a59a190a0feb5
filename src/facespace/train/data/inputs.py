"""Normalisation of the network's input: pixels 0..255 to about -1..1, as stated in the model card."""

from torch import Tensor

MEAN = STD = 127.5


def as_input(channels: Tensor) -> Tensor:
    """Normalise float (n, 3, h, w) in 0..255 for the network."""
    return (channels - MEAN) / STD
