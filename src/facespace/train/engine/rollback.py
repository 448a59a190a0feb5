"""The way back of a run that failed: which checkpoint to return to."""

import shutil
from pathlib import Path

from facespace.train.engine.checkpoint import Checkpoint, checkpoints_in, load_checkpoint


def way_back(folder: Path, tried: int | None) -> Checkpoint:
    """The last checkpoint; where the run returned to that one before and failed again, the one before it.

    Parameters
    ----------
    folder : path
        Of the checkpoints.
    tried : int or None
        The step of the last return.
    """
    kept = checkpoints_in(folder)
    # That checkpoint itself may be the cause.
    earlier = [path for path in kept if tried is None or _step_of(path) != tried] or kept
    return load_checkpoint(earlier[-1])


def drop_after(folder: Path, step: int) -> None:
    """Remove the checkpoints after a step: they led to the failure, and a resumed run must not take them up."""
    for path in checkpoints_in(folder):
        if _step_of(path) > step:
            shutil.rmtree(path, ignore_errors=True)


def _step_of(path: Path) -> int:
    return int(path.name.removeprefix("step-"))
