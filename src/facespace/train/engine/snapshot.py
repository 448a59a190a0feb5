"""Convert a run's state to a checkpoint, and back."""

from typing import Any

from facespace.errors import DataError
from facespace.train.engine.checkpoint import Checkpoint
from facespace.train.engine.state import State
from facespace.train.recipe import Recipe


def snapshot(state: State, recipe: Recipe, extra: dict[str, Any]) -> Checkpoint:
    """Return a checkpoint of the current state; `extra` is further plain data to store with it."""
    return Checkpoint(
        step=state.step,
        recipe=recipe.model_dump(mode="json"),
        network=state.network.state_dict(),
        loss=state.loss.state_dict(),
        optimiser=state.optimiser.state_dict(),
        mined=state.plan.mined,
        extra={
            "mined_at": state.plan.mined_at,
            "images": state.images,
            "best": state.best,
            "watchdog": state.watchdog.state(),
            **extra,
        },
    )


def restore(state: State, checkpoint: Checkpoint, people: int) -> None:
    """Restore the state of a checkpoint.

    Parameters
    ----------
    state : State
    checkpoint : Checkpoint
    people : int
        Current number of training people, for the message.

    Raises
    ------
    DataError
        The loss has weights for each person, and the people have changed.
    """
    extra = checkpoint.extra
    state.network.load_state_dict(checkpoint.network)
    try:
        state.loss.load_state_dict(checkpoint.loss)
    except RuntimeError:
        name = checkpoint.recipe["loss"]["name"]
        raise DataError(
            f"the loss {name!r} has weights for each training person, and the people have changed since this run began "
            f"({extra['people']:,} then, {people:,} now); resume with the original data, or start a new run"
        ) from None
    state.optimiser.load_state_dict(checkpoint.optimiser)
    state.plan.mined, state.plan.mined_at = checkpoint.mined, extra["mined_at"]
    state.step, state.images, state.best = checkpoint.step, extra["images"], extra["best"]
    # Checkpoints of earlier versions call it 'care'.
    state.watchdog.restore(extra["watchdog"] if "watchdog" in extra else extra["care"])
