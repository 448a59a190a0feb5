"""The state of a training run, which changes from step to step."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from facespace.train.engine.plan import Plan
from facespace.train.engine.updates import Updates
from facespace.train.engine.watchdog import Watchdog
from facespace.train.losses import Loss


@dataclass
class State:
    """The state of a run.

    network, loss, optimiser : updated by each step
    forward : the network, compiled if the recipe says so; used to embed batches
    plan : selects the faces of each step
    watchdog : detects failing training
    updates : measures how far each step moves the weights
    step, images : number of steps done, and of faces embedded so far, including pool searches
    best : the highest validation rate so far; below 0 before the first validation
    """

    network: nn.Module
    forward: Callable[[Tensor], Tensor]
    loss: Loss
    optimiser: torch.optim.Optimizer
    plan: Plan
    watchdog: Watchdog
    updates: Updates
    step: int = 0
    images: int = 0
    best: float = -1.0
