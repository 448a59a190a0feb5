"""Checkpoints: folders of safetensors and JSON, never pickle.

A checkpoint is written under a temporary name, synced and renamed, so a folder named `step-...` is always complete.
An older checkpoint is deleted only after the newer one is in place.
"""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from facespace.errors import DataError

# The checkpoint with the highest validation rate; never deleted for its age.
BEST = "best"


@dataclass(frozen=True)
class Checkpoint:
    """The state of a training run after a step.

    step : number of steps done
    recipe : the recipe as plain data
    network, loss : weights by name
    optimiser : torch's `state_dict`
    mined : int64 tensor, shape (t, 3), the triplets of the last pool search
    extra : all other state, as plain data
    """

    step: int
    recipe: dict[str, Any]
    network: dict[str, torch.Tensor]
    loss: dict[str, torch.Tensor]
    optimiser: dict[str, Any]
    mined: torch.Tensor
    extra: dict[str, Any]


def save_checkpoint(folder: Path, checkpoint: Checkpoint, keep: int, name: str | None = None) -> Path:
    """Write a checkpoint to `folder/step-XXXXXXXX`, or to `folder/NAME` if a name is given.

    Then delete all numbered checkpoints except the first and the last `keep`.

    Raises
    ------
    DataError
        The checkpoint cannot be written; all earlier ones are still there.
    """
    tensors, groups = _flatten(checkpoint.optimiser)
    state = {
        "format": 2,
        "step": checkpoint.step,
        "recipe": checkpoint.recipe,
        "optimiser": groups,
        "extra": checkpoint.extra,
    }
    files = {
        "network.safetensors": save_tensors(_contiguous(checkpoint.network)),
        "loss.safetensors": save_tensors(_contiguous(checkpoint.loss)),
        "optimiser.safetensors": save_tensors(tensors),
        "mined.safetensors": save_tensors({"mined": checkpoint.mined.contiguous()}),
        "state.json": json.dumps(state).encode(),
    }
    target = folder / (name or f"step-{checkpoint.step:08d}")
    partial = folder / f".partial-{target.name}"
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        for file_name, content in files.items():
            with (partial / file_name).open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        shutil.rmtree(target, ignore_errors=True)
        partial.rename(target)
        _sync_folder(folder)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise DataError(
            f"cannot write the checkpoint of step {checkpoint.step} to {folder}: {error.strerror}; earlier "
            "checkpoints are intact: free some disk space and continue with --resume"
        ) from None
    # The first one, of the untrained network, is the last resort of a rollback.
    for old in checkpoints_in(folder)[1:-keep]:
        shutil.rmtree(old, ignore_errors=True)
    return target


def checkpoints_in(folder: Path) -> list[Path]:
    """List the numbered checkpoints of a run, oldest first."""
    return sorted(path for path in folder.glob("step-*") if path.is_dir())


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises
    ------
    DataError
        The checkpoint is missing or damaged.
    """
    try:
        state = json.loads((path / "state.json").read_text("utf-8"))
        read = {
            name: load_tensors((path / f"{name}.safetensors").read_bytes())
            for name in ("network", "loss", "optimiser", "mined")
        }
        return Checkpoint(
            step=state["step"],
            recipe=state["recipe"],
            network=read["network"],
            loss=read["loss"],
            optimiser=_unflatten(read["optimiser"], state["optimiser"]),
            mined=read["mined"]["mined"],
            extra=state["extra"],
        )
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise DataError(f"the checkpoint {path} is damaged or incomplete: {error}") from None


def last_readable(folder: Path, warn: Callable[[str], None]) -> Checkpoint | None:
    """Return the newest readable checkpoint, or None if there is none; damaged ones are reported to `warn`."""
    for path in reversed(checkpoints_in(folder)):
        try:
            return load_checkpoint(path)
        except DataError as error:
            warn(f"{error}; falling back to the previous checkpoint")
    return None


def last_checkpoint(run: Path) -> Checkpoint:
    """Return the last checkpoint of a run; raises DataError if there is none."""
    found = checkpoints_in(run / "checkpoints")
    if not found:
        raise DataError(f"{run} contains no checkpoint; train first: facespace train RECIPE --run {run}")
    return load_checkpoint(found[-1])


def best_checkpoint(run: Path) -> Checkpoint:
    """Return the checkpoint with the highest VAL on the validation people, or else the last one.

    Raises
    ------
    DataError
        The run has no checkpoint.
    """
    best = run / "checkpoints" / BEST
    return load_checkpoint(best) if best.is_dir() else last_checkpoint(run)


def _contiguous(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor.contiguous() for name, tensor in tensors.items()}


def _flatten(state: dict[str, Any]) -> tuple[dict[str, torch.Tensor], Any]:
    """Split an optimiser's state into named tensors and plain data."""
    tensors = {
        f"{index}.{key}": value.contiguous()
        for index, values in state["state"].items()
        for key, value in values.items()
        if isinstance(value, torch.Tensor)
    }
    return tensors, state["param_groups"]


def _unflatten(tensors: dict[str, torch.Tensor], groups: Any) -> dict[str, Any]:
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in tensors.items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = value
    return {"state": state, "param_groups": groups}


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
