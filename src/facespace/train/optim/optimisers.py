"""How weights move: optimisers by name, and what changes from step to step."""

import math
from collections.abc import Iterable

import torch
from torch import nn

from facespace.train.mining import OWN_HARDNESS
from facespace.train.optim.muon import Muon
from facespace.train.recipe import LossSection, MiningSection, OptimiserSection


def build_optimiser(section: OptimiserSection, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """The optimiser of a recipe over these weights, its rate still to be set for each step."""
    weights, rate, decay = list(parameters), section.rate, section.weight_decay
    if section.name == "adagrad":
        return torch.optim.Adagrad(weights, lr=rate, weight_decay=decay)
    if section.name == "sgd":
        return torch.optim.SGD(weights, lr=rate, momentum=section.momentum, weight_decay=decay)
    if section.name == "muon":
        return Muon(weights, lr=rate, momentum=section.momentum, weight_decay=decay)
    return torch.optim.AdamW(weights, lr=rate, weight_decay=decay)


def rate_at(step: int, steps: int, section: OptimiserSection) -> float:
    """The learning rate of a step (from 0): a linear rise over the warm-up, then the schedule."""
    if step < section.warmup:
        return section.rate * (step + 1) / (section.warmup + 1)
    if section.schedule == "constant":
        return section.rate
    progress = (step - section.warmup) / max(steps - section.warmup - 1, 1)
    share = section.final_share + (1 - section.final_share) * (1 + math.cos(math.pi * min(progress, 1))) / 2
    return section.rate * share


def moving(first: float, last: float | None, step: int, steps: int) -> float:
    """A number that moves evenly from `first` at step 0 to `last` at the last step; `first` where that is None."""
    return first if last is None else first + (last - first) * step / max(steps - 1, 1)


def margin_at(loss: LossSection, step: int, steps: int) -> float | None:
    """Alpha of a step (from 0); None for a loss without a margin."""
    margin = getattr(loss, "margin", None)
    return None if margin is None else moving(margin, getattr(loss, "final_margin", None), step, steps)


def hardness_at(mining: MiningSection, step: int, steps: int) -> float:
    """How hard the negatives of the online miner are at a step (from 0); the miner's own where the recipe says none."""
    own = OWN_HARDNESS[mining.online]
    first = own if mining.hardness is None else mining.hardness
    return moving(first, mining.final_hardness, step, steps)
