"""The training loop: draw a batch, embed it, mine triplets, step. Read it from top to bottom."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from facespace.errors import DataError
from facespace.train.augment import augment
from facespace.train.checkpoint import Checkpoint, checkpoints_in, load_checkpoint, save_checkpoint
from facespace.train.dataset import FaceSet
from facespace.train.losses import triplet_loss
from facespace.train.mining import semi_hard, squared_distance_matrix
from facespace.train.networks import build_network
from facespace.train.recipe import OptimiserSection, Recipe
from facespace.train.sampling import IdentityBatches

# Pixels 0..255 become about -1..1; the model card says the same.
MEAN = STD = 127.5


@dataclass(frozen=True)
class Trained:
    """What a run gives.

    network : in evaluation mode
    history : one record a step: step, loss, active, hard, positive_distance, negative_distance, rate,
        seconds
    resumed_from : the step a checkpoint gave, 0 for a fresh start
    seconds : of this call
    """

    network: nn.Module
    history: list[dict[str, float]]
    resumed_from: int
    seconds: float


def train(
    recipe: Recipe,
    faces: FaceSet,
    run: Path,
    resume: bool = False,
    on_step: Callable[[dict[str, float]], None] = lambda record: None,
    warn: Callable[[str], None] = lambda message: None,
) -> Trained:
    """Train a network as the recipe says.

    Every random choice follows from the recipe's seed and the number of the step, so a run that was stopped
    and resumed gives the numbers of one that was not.

    Parameters
    ----------
    recipe : Recipe
    faces : FaceSet
        The people to train on; none set aside for validation may be among them.
    run : path
        Folder of this run; checkpoints go to run/checkpoints.
    resume : bool
        Continue from the last whole checkpoint.
    on_step : callable
        Told each step's record.
    warn : callable
        Told what the user should know.

    Raises
    ------
    DataError
        The folder holds a run already (and `resume` is not set), the data cannot make triplets, the loss is
        no longer finite, or the disk refused a checkpoint.
    """
    started = time.perf_counter()
    folder = run / "checkpoints"
    if checkpoints_in(folder) and not resume:
        raise DataError(f"{run} holds a training run already; continue it with --resume or name another folder")
    plain = recipe.model_dump(mode="json")
    batches = IdentityBatches(faces.labels, recipe.batch.people, recipe.batch.photos, recipe.seed)
    if batches.single_photo_people:
        warn(f"{batches.single_photo_people} people have one photo only and are never anchors; they are left out")

    torch.manual_seed(recipe.seed)
    size = recipe.network
    network = build_network(size.name, size.width, size.height, size.dimension)
    # Channels last in memory: 1.5 times as fast on a CPU, the same numbers.
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.Adagrad(
        network.parameters(), lr=recipe.optimiser.rate, weight_decay=recipe.optimiser.weight_decay
    )
    history: list[dict[str, float]] = []
    if resume and (checkpoint := _last_checkpoint(folder, warn)) is not None:
        _check_same_recipe(checkpoint.recipe, plain)
        network.load_state_dict(checkpoint.network)
        optimiser.load_state_dict(checkpoint.optimiser)
        history = checkpoint.history
    first = len(history)

    labels = torch.from_numpy(faces.labels)
    network.train()
    for step in range(first, recipe.steps):
        begun = time.perf_counter()
        chosen = torch.from_numpy(batches.batch(step))
        generator = torch.Generator().manual_seed(_step_seed(recipe.seed, step))
        # Layers with chance in them (dropout) draw from the global generator.
        torch.manual_seed(_step_seed(recipe.seed, step))
        batch = as_input(augment(as_channels(torch.from_numpy(faces.crops(chosen.numpy()))), recipe.augment, generator))

        distances = squared_distance_matrix(network(batch))
        triplets = semi_hard(distances, labels[chosen], recipe.loss.margin)
        loss = triplet_loss(distances, triplets, recipe.loss.margin)
        rate = rate_at(step, recipe.steps, recipe.optimiser)
        for group in optimiser.param_groups:
            group["lr"] = rate
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()

        record = {"step": step + 1, "loss": loss.item(), "rate": rate, **vars(triplets.stats)}
        record["seconds"] = time.perf_counter() - begun
        # Points that are NaN break no margin, so the loss alone would look like a perfect 0.
        if not math.isfinite(record["loss"] + record["positive_distance"]):
            raise DataError(
                f"the network's output is no longer finite at step {step + 1}: lower optimiser.rate "
                f"(now {rate:g}) and train again"
            )
        history.append(record)
        on_step(record)
        if (step + 1) % recipe.checkpoint_every == 0 or step + 1 == recipe.steps:
            save_checkpoint(folder, step + 1, network, optimiser, plain, history, recipe.keep_checkpoints)
    return Trained(network.eval(), history, first, time.perf_counter() - started)


def as_channels(pixels: Tensor) -> Tensor:
    """uint8 (n, h, w, 3) to float (n, 3, h, w), still 0..255, channels last in memory."""
    return pixels.permute(0, 3, 1, 2).float()


def as_input(channels: Tensor) -> Tensor:
    """Float (n, 3, h, w) in 0..255 to what the network takes."""
    return (channels - MEAN) / STD


def rate_at(step: int, steps: int, options: OptimiserSection) -> float:
    """The learning rate of a step: from `rate` along half a cosine to `final_share` of it."""
    progress = step / max(steps - 1, 1)
    share = options.final_share + (1 - options.final_share) * (1 + math.cos(math.pi * progress)) / 2
    return options.rate * share


def _step_seed(seed: int, step: int) -> int:
    return int(np.random.SeedSequence([seed, 3, step]).generate_state(1, np.uint64)[0] >> 1)


def _last_checkpoint(folder: Path, warn: Callable[[str], None]) -> Checkpoint | None:
    for path in reversed(checkpoints_in(folder)):
        try:
            return load_checkpoint(path)
        except DataError as error:
            warn(f"{error}; falling back to the one before")
    return None


def _check_same_recipe(before: dict[str, Any], now: dict[str, Any]) -> None:
    """A resumed run may go on for longer or checkpoint otherwise; anything else would mix two runs."""
    free = {"steps", "checkpoint_every", "keep_checkpoints"}
    changed = sorted(key for key in {*before, *now} - free if before.get(key) != now.get(key))
    if changed:
        raise DataError(
            f"the recipe has changed since this run began ({', '.join(changed)}); resume it with its own "
            "recipe, or start another run"
        )
