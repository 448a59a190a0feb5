"""Checkpoints: folders of safetensors and JSON. Nothing is ever pickled.

A checkpoint is written under a temporary name, synced and then renamed, so a folder named `step-...` is
always whole, and an older one goes only when the newer stands.
"""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import nn
from torch.optim import Optimizer

from facespace.errors import DataError


@dataclass(frozen=True)
class Checkpoint:
    """A training run at a moment.

    step : steps done
    recipe : the recipe as plain data
    history : one record a step so far
    """

    step: int
    recipe: dict[str, Any]
    history: list[dict[str, float]]
    network: dict[str, torch.Tensor]
    optimiser: dict[str, Any]


def save_checkpoint(
    folder: Path,
    step: int,
    network: nn.Module,
    optimiser: Optimizer,
    recipe: dict[str, Any],
    history: list[dict[str, float]],
    keep: int,
) -> Path:
    """Write `folder/step-XXXXXXXX` and remove all but the last `keep`.

    Raises
    ------
    DataError
        The disk refused; every earlier checkpoint is still there.
    """
    tensors, groups = _flatten(optimiser.state_dict())
    state = {"format": 1, "step": step, "recipe": recipe, "optimiser": groups, "history": history}
    files = {
        "network.safetensors": save_tensors({k: v.contiguous() for k, v in network.state_dict().items()}),
        "optimiser.safetensors": save_tensors(tensors),
        "state.json": json.dumps(state).encode(),
    }
    target, partial = folder / f"step-{step:08d}", folder / f".partial-{step:08d}"
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        for name, content in files.items():
            with (partial / name).open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        shutil.rmtree(target, ignore_errors=True)
        partial.rename(target)
        _sync_folder(folder)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise DataError(
            f"cannot write the checkpoint of step {step} to {folder}: {error.strerror}; earlier checkpoints "
            "are whole: free some space and continue with --resume"
        ) from None
    for old in checkpoints_in(folder)[:-keep]:
        shutil.rmtree(old, ignore_errors=True)
    return target


def checkpoints_in(folder: Path) -> list[Path]:
    """The whole checkpoints of a run, oldest first."""
    return sorted(path for path in folder.glob("step-*") if path.is_dir())


def load_checkpoint(path: Path) -> Checkpoint:
    """Read one checkpoint.

    Raises
    ------
    DataError
        It is missing or damaged.
    """
    try:
        state = json.loads((path / "state.json").read_text("utf-8"))
        network = load_tensors((path / "network.safetensors").read_bytes())
        tensors = load_tensors((path / "optimiser.safetensors").read_bytes())
        return Checkpoint(
            step=state["step"],
            recipe=state["recipe"],
            history=state["history"],
            network=network,
            optimiser=_unflatten(tensors, state["optimiser"]),
        )
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise DataError(f"the checkpoint {path} is damaged or not whole: {error}") from None


def _flatten(state: dict[str, Any]) -> tuple[dict[str, torch.Tensor], Any]:
    """An optimiser's state as named tensors, and the rest as plain data."""
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
