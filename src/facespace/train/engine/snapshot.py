"""A run's state as a checkpoint, and back."""

from typing import Any

from facespace.errors import DataError
from facespace.train.engine.checkpoint import Checkpoint
from facespace.train.engine.state import State
from facespace.train.recipe import Recipe


def snapshot(state: State, recipe: Recipe, beside: dict[str, Any]) -> Checkpoint:
    """The state as it is, with what the run keeps beside it, as plain data."""
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
            "care": state.care.state(),
            **beside,
        },
    )


def restore(state: State, checkpoint: Checkpoint, people: int) -> None:
    """Make the state that of a checkpoint.

    Parameters
    ----------
    state : State
    checkpoint : Checkpoint
    people : int
        Training people now, for the message.

    Raises
    ------
    DataError
        The loss has weights for each person, and the people are others.
    """
    extra = checkpoint.extra
    state.network.load_state_dict(checkpoint.network)
    try:
        state.loss.load_state_dict(checkpoint.loss)
    except RuntimeError:
        name = checkpoint.recipe["loss"]["name"]
        raise DataError(
            f"the loss {name!r} has weights for each training person, and the people are not those this run began with "
            f"({extra['people']:,} then, {people:,} now); resume it with its own data, or start another run"
        ) from None
    state.optimiser.load_state_dict(checkpoint.optimiser)
    state.plan.mined, state.plan.mined_at = checkpoint.mined, extra["mined_at"]
    state.step, state.images, state.best = checkpoint.step, extra["images"], extra["best"]
    state.care.restore(extra["care"])
