"""Checkpoints: folders of safetensors and JSON. Nothing is ever pickled.

A checkpoint is written under a temporary name, synced and then renamed, so a folder named `step-...` is
always whole, and an older one goes only when the newer stands.
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

# The checkpoint of the highest validation rate; kept whatever its age.
BEST = "best"


@dataclass(frozen=True)
class Checkpoint:
    """A training run at a moment.

    step : steps done
    recipe : the recipe as plain data
    network, loss : weights by name
    optimiser : as torch's `state_dict`
    mined : int64 tensor, shape (t, 3), the triplets last mined in the pool
    extra : plain data: the state of everything small
    """

    step: int
    recipe: dict[str, Any]
    network: dict[str, torch.Tensor]
    loss: dict[str, torch.Tensor]
    optimiser: dict[str, Any]
    mined: torch.Tensor
    extra: dict[str, Any]


def save_checkpoint(folder: Path, checkpoint: Checkpoint, keep: int, name: str | None = None) -> Path:
    """Write `folder/step-XXXXXXXX`, and remove all but the first and the last `keep`; or `folder/NAME`.

    Raises
    ------
    DataError
        The disk refused; every earlier checkpoint is still there.
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
            "checkpoints are whole: free some space and continue with --resume"
        ) from None
    # The first, of the untrained network, is small change and the last way back.
    for old in checkpoints_in(folder)[1:-keep]:
        shutil.rmtree(old, ignore_errors=True)
    return target


def checkpoints_in(folder: Path) -> list[Path]:
    """The whole checkpoints of a run by step, oldest first."""
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
        raise DataError(f"the checkpoint {path} is damaged or not whole: {error}") from None


def last_whole(folder: Path, warn: Callable[[str], None]) -> Checkpoint | None:
    """The newest checkpoint that can be read, None where there is none; `warn` is told of damaged ones."""
    for path in reversed(checkpoints_in(folder)):
        try:
            return load_checkpoint(path)
        except DataError as error:
            warn(f"{error}; falling back to the one before")
    return None


def last_checkpoint(run: Path) -> Checkpoint:
    """The last whole checkpoint of a run; DataError where there is none."""
    found = checkpoints_in(run / "checkpoints")
    if not found:
        raise DataError(f"{run} holds no checkpoint; train first: facespace train RECIPE --run {run}")
    return load_checkpoint(found[-1])


def best_checkpoint(run: Path) -> Checkpoint:
    """The checkpoint of the highest VAL on the validation people, or the last; DataError where there is none."""
    best = run / "checkpoints" / BEST
    return load_checkpoint(best) if best.is_dir() else last_checkpoint(run)


def _contiguous(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor.contiguous() for name, tensor in tensors.items()}


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
