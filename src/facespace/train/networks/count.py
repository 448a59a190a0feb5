"""Count the parameters and the multiply-adds of a network."""

from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


@dataclass(frozen=True)
class Size:
    """The size of a network for one input size.

    parameters : number of trainable parameters
    multiply_adds : of all convolutions and linear layers for one face, called FLOPS in the paper's tables (counting
        multiplications and additions separately would give twice as many). As there, normalisation, pooling and
        activations are not counted
    """

    parameters: int
    multiply_adds: int


def size_of(network: nn.Module, width: int, height: int, channels: int = 3) -> Size:
    """Count a network's parameters, and the multiply-adds for one face of channels x height x width.

    Runs the network once in evaluation mode, and restores its mode.
    """
    mode = network.training
    network.eval()
    # torch counts a multiply-add as two operations.
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, channels, height, width, device=next(network.parameters()).device))
    network.train(mode)
    parameters = sum(p.numel() for p in network.parameters() if p.requires_grad)
    return Size(parameters, counter.get_total_flops() // 2)
