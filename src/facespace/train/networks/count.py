"""How large a network is and how much work a face costs it."""

from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


@dataclass(frozen=True)
class Size:
    """Of one network at one input size.

    parameters : trainable numbers
    multiply_adds : of all convolutions and linear layers for one face; what the paper's tables call FLOPS
        (counted as separate multiplications and additions it would be twice as many). Normalisation,
        pooling and activations are not counted, as there
    """

    parameters: int
    multiply_adds: int


def size_of(network: nn.Module, width: int, height: int, channels: int = 3) -> Size:
    """Count a network's parameters, and the multiply-adds of one face of channels x height x width.

    Every part is run once, in evaluation mode; the network comes back in the mode it had.
    """
    mode = network.training
    network.eval()
    # torch counts a multiply-add as two operations.
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, channels, height, width, device=next(network.parameters()).device))
    network.train(mode)
    parameters = sum(p.numel() for p in network.parameters() if p.requires_grad)
    return Size(parameters, counter.get_total_flops() // 2)
