"""Optimisers by name, and the schedules of learning rate, margin and mining hardness."""

import math
from collections.abc import Iterable

import torch
from torch import nn

from facespace.train.mining import OWN_HARDNESS
from facespace.train.optim.muon import Muon
from facespace.train.recipe import LossSection, MiningSection, OptimiserSection


def build_optimiser(section: OptimiserSection, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """Build the optimiser of a recipe; the training loop sets its learning rate at each step."""
    weights, rate, decay = list(parameters), section.rate, section.weight_decay
    if section.name == "adagrad":
        return torch.optim.Adagrad(weights, lr=rate, weight_decay=decay)
    if section.name == "sgd":
        return torch.optim.SGD(weights, lr=rate, momentum=section.momentum, weight_decay=decay)
    if section.name == "muon":
        return Muon(weights, lr=rate, momentum=section.momentum, weight_decay=decay)
    return torch.optim.AdamW(weights, lr=rate, weight_decay=decay)


def rate_at(step: int, steps: int, section: OptimiserSection) -> float:
    """Return the learning rate of a step (from 0): linear warm-up, then the schedule."""
    if step < section.warmup:
        return section.rate * (step + 1) / (section.warmup + 1)
    if section.schedule == "constant":
        return section.rate
    progress = (step - section.warmup) / max(steps - section.warmup - 1, 1)
    share = section.final_share + (1 - section.final_share) * (1 + math.cos(math.pi * min(progress, 1))) / 2
    return section.rate * share


def interpolate(first: float, last: float | None, step: int, steps: int) -> float:
    """Interpolate linearly from `first` at step 0 to `last` at the last step; constant `first` if `last` is None."""
    return first if last is None else first + (last - first) * step / max(steps - 1, 1)


def margin_at(loss: LossSection, step: int, steps: int) -> float | None:
    """Return the margin (alpha) of a step (from 0); None for a loss without one."""
    margin = getattr(loss, "margin", None)
    return None if margin is None else interpolate(margin, getattr(loss, "final_margin", None), step, steps)


def hardness_at(mining: MiningSection, step: int, steps: int) -> float:
    """Return the hardness of the online miner at a step (from 0); the miner's default if the recipe sets none."""
    own = OWN_HARDNESS[mining.online]
    first = own if mining.hardness is None else mining.hardness
    return interpolate(first, mining.final_hardness, step, steps)
