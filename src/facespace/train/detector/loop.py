"""The training loop of the detector: batches, steps, validation and checkpoints."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from facespace.errors import DataError
from facespace.train.detector.data import DetectorBatch, DetectorData, batches
from facespace.train.detector.loss import Faces, detection_loss
from facespace.train.detector.network import DetectorNetwork, grown
from facespace.train.detector.recipe import DetectorRecipe, without_folders
from facespace.train.detector.validate import precision_of
from facespace.train.engine.checkpoint import (
    BEST,
    Checkpoint,
    best_checkpoint,
    checkpoints_in,
    last_readable,
    save_checkpoint,
)
from facespace.train.engine.history import History
from facespace.train.engine.stored import refuse_changes
from facespace.train.optim.optimisers import build_optimiser, rate_at

Say = Callable[[str], None]
OnStep = Callable[[dict[str, float]], None]
# Number of consecutive steps with a loss that is not finite after which the run fails.
MAX_BAD_STEPS = 5


@dataclass(frozen=True)
class TrainedDetector:
    """Result of a run: the averaged network in evaluation mode, the first step of this call, and its seconds."""

    network: DetectorNetwork
    resumed_from: int
    seconds: float


def network_of(recipe: DetectorRecipe) -> DetectorNetwork:
    """The network that a recipe names, with random weights."""
    section = recipe.network
    return DetectorNetwork(section.stem, section.widths, section.neck, section.depths)


def start_from(network: DetectorNetwork, run: Path) -> None:
    """Give a network the averaged weights of another run's best checkpoint, or of its last.

    Channels and blocks that the other network does not have are added to what it computes.

    Raises
    ------
    DataError
        The run has no checkpoint, or it is of another network.
    """
    checkpoint = best_checkpoint(run)
    try:
        network.load_state_dict(grown(_part(checkpoint.network, "averaged"), network))
    except ValueError as error:
        raise DataError(
            f"network.start: the run {run} trained a network that does not fit into this one ({error}); a run can "
            "start from a network with the same or fewer channels and blocks"
        ) from None


def train_detector(
    recipe: DetectorRecipe,
    data: DetectorData,
    run: Path,
    resume: bool = False,
    on_step: OnStep = lambda record: None,
    warn: Say = lambda message: None,
    loaders: int = 1,
    device: torch.device | None = None,
) -> TrainedDetector:
    """Train a detector.

    All random choices depend only on the recipe's seed and the number of the step.

    Parameters
    ----------
    recipe : DetectorRecipe
    data : DetectorData
    run : path
        Folder of this run; checkpoints go to run/checkpoints, records to run/history.jsonl.
    resume : bool
        Continue from the last complete checkpoint.
    on_step, warn : callables
        Called with the record of each step, and with warnings for the user. If `on_step` raises KeyboardInterrupt, a
        checkpoint is written first.
    loaders : int
        Number of processes that prepare batches.
    device : torch.device or None
        Device to train on; None for the CPU.

    Raises
    ------
    DataError
        The folder contains a run and `resume` is not set, the loss is not finite for many steps, or the disk cannot be
        written.
    """
    started, device = time.perf_counter(), device or torch.device("cpu")
    folder = run / "checkpoints"
    if checkpoints_in(folder) and not resume:
        raise DataError(f"{run} already contains a training run; continue it with --resume or name another folder")
    torch.manual_seed(recipe.seed)
    network = network_of(recipe).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if recipe.network.start is not None:
        start_from(network, recipe.network.start)
    network.to(device)
    if recipe.network.keep_stem:
        network.stem.requires_grad_(False)
    averaged = network_of(recipe).eval().to(device)
    averaged.load_state_dict(network.state_dict())
    optimiser = build_optimiser(recipe.optimiser, [own for own in network.parameters() if own.requires_grad])
    with History(run / "history.jsonl") as history:
        step, best = 0, -1.0
        before = last_readable(folder, warn) if resume else None
        if before is not None:
            refuse_changes(without_folders(before.recipe), without_folders(recipe.model_dump(mode="json")))
            step, best = before.step, before.extra["best"]
            network.load_state_dict(_part(before.network, "live"))
            averaged.load_state_dict(_part(before.network, "averaged"))
            optimiser.load_state_dict(before.optimiser)
            history.cut(before.extra["history"])
        first, bad = step, 0

        def state() -> Checkpoint:
            weights = {f"live.{name}": value for name, value in network.state_dict().items()}
            weights |= {f"averaged.{name}": value for name, value in averaged.state_dict().items()}
            extra: dict[str, Any] = {"best": best, "history": history.size(), "photos": len(data.wild)}
            return Checkpoint(
                step, recipe.model_dump(mode="json"), weights, {}, optimiser.state_dict(),
                torch.empty((0, 3), dtype=torch.int64), extra,
            )  # fmt: skip

        stream = batches(data, recipe, step, loaders, pin=device.type == "cuda")
        while step < recipe.steps:
            clock = time.perf_counter()
            batch = next(stream)
            waited = time.perf_counter() - clock
            network.train()
            if recipe.network.keep_stem:
                network.stem.eval()
            given, faces, ignored = sent(batch, device)
            pixels = given.permute(0, 3, 1, 2).to(torch.float32) / 255
            with torch.autocast(device.type, torch.bfloat16, enabled=recipe.precision == "bf16"):
                maps = network(pixels)
            losses = detection_loss(maps, faces, ignored)
            rate = rate_at(step, recipe.steps, recipe.optimiser)
            bad = 0 if _move(network, optimiser, losses["loss"], rate, recipe.optimiser.clip) else bad + 1
            if bad > MAX_BAD_STEPS:
                raise DataError(f"the loss is not finite at step {step}; lower optimiser.rate")
            step += 1
            _average(averaged, network, min(recipe.averaging, step / (step + 10)))
            # A single transfer, because each one makes a GPU wait.
            values = dict(zip(losses, torch.stack(list(losses.values())).tolist(), strict=True))
            record = {
                "step": step, **values, "rate": rate,
                "faces": len(batch.faces.photo), "images": step * recipe.batch.views, "data_seconds": waited,
                "seconds": time.perf_counter() - clock,
            }  # fmt: skip
            last = step == recipe.steps
            due = recipe.validation.every and step % recipe.validation.every == 0
            measured = data.validation is not None and (last or due)
            if measured and data.validation is not None:
                record |= precision_of(averaged, data.validation)
            history.add(record)
            try:
                on_step(record)
            except KeyboardInterrupt:
                save_checkpoint(folder, state(), recipe.keep_checkpoints)
                raise
            if measured and record["precision"] > best:
                best = record["precision"]
                save_checkpoint(folder, state(), recipe.keep_checkpoints, BEST)
            if last or step % recipe.checkpoint_every == 0:
                save_checkpoint(folder, state(), recipe.keep_checkpoints)
    return TrainedDetector(averaged.eval(), first, time.perf_counter() - started)


def averaged_network(checkpoint: Checkpoint, recipe: DetectorRecipe) -> DetectorNetwork:
    """The network of a checkpoint with the average of its weights over the last steps."""
    network = network_of(recipe)
    network.load_state_dict(_part(checkpoint.network, "averaged"))
    return network.eval()


def _move(network: nn.Module, optimiser: torch.optim.Optimizer, loss: Tensor, rate: float, clip: float) -> bool:
    """Take a step; return False and change nothing if the loss or a gradient is not finite."""
    for group in optimiser.param_groups:
        group["lr"] = rate
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    norm = nn.utils.clip_grad_norm_(network.parameters(), clip or math.inf)
    if not bool(torch.isfinite(norm + loss.detach())):
        return False
    optimiser.step()
    return True


@torch.no_grad()
def _average(averaged: nn.Module, network: nn.Module, kept: float) -> None:
    pairs = list(zip(averaged.state_dict().values(), network.state_dict().values(), strict=True))
    weights = [pair for pair in pairs if pair[0].dtype.is_floating_point]
    # All at once, because one small kernel for each would keep a GPU waiting.
    torch._foreach_lerp_([old for old, _ in weights], [new for _, new in weights], 1 - kept)
    for old, new in pairs:
        if not old.dtype.is_floating_point:
            old.copy_(new)


def sent(batch: DetectorBatch, device: torch.device) -> DetectorBatch:
    """Copy a batch to another device; from pinned memory, the processor does not wait for the copy."""
    faces = Faces(*(part.to(device, non_blocking=True) for part in batch.faces))
    return DetectorBatch(batch.pixels.to(device, non_blocking=True), faces, batch.ignored.to(device, non_blocking=True))


def _part(weights: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    return {key.removeprefix(f"{name}."): value for key, value in weights.items() if key.startswith(f"{name}.")}
