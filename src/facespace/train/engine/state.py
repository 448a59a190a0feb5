"""What a training run changes from step to step."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from facespace.train.engine.plan import Plan
from facespace.train.engine.watchdog import Care
from facespace.train.losses import Loss


@dataclass
class State:
    """What a run trains, and how far it is.

    network, loss, optimiser : what a step changes
    forward : what batches are embedded through: the network, compiled where the recipe says so
    plan : which faces each step learns from
    care : the watchdog
    step, images : steps done, and faces embedded so far, pool searches included
    best : the highest validation rate so far; below 0 before the first
    """

    network: nn.Module
    forward: Callable[[Tensor], Tensor]
    loss: Loss
    optimiser: torch.optim.Optimizer
    plan: Plan
    care: Care
    step: int = 0
    images: int = 0
    best: float = -1.0
