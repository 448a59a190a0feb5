"""Rolling back a run that failed: select the checkpoint to restore, and delete later ones."""

import shutil
from pathlib import Path

from facespace.train.engine.checkpoint import Checkpoint, checkpoints_in, load_checkpoint


def rollback_target(folder: Path, tried: int | None) -> Checkpoint:
    """Return the last checkpoint, or an earlier one if the last rollback went there and training failed again.

    Parameters
    ----------
    folder : path
        Folder of the checkpoints.
    tried : int or None
        Step that the last rollback returned to.
    """
    kept = checkpoints_in(folder)
    # That checkpoint may be bad itself.
    earlier = [path for path in kept if tried is None or _step_of(path) != tried] or kept
    return load_checkpoint(earlier[-1])


def drop_after(folder: Path, step: int) -> None:
    """Delete the checkpoints after a step. They led to the failure, so a resumed run must not use them."""
    for path in checkpoints_in(folder):
        if _step_of(path) > step:
            shutil.rmtree(path, ignore_errors=True)


def _step_of(path: Path) -> int:
    return int(path.name.removeprefix("step-"))
