"""Training in stages: a run that begins with the weights another run ended with."""

from pathlib import Path

from torch import nn

from facespace.errors import DataError
from facespace.model import FigureCard, StageCard
from facespace.train.engine.checkpoint import Checkpoint, best_checkpoint
from facespace.train.engine.history import read_history
from facespace.train.engine.stored import recipe_as_trained, stored_recipe


def start_from(network: nn.Module, run: Path) -> None:
    """Give a network the weights of another run: of its best checkpoint, or of the last where none was validated.

    Raises
    ------
    DataError
        The run has no checkpoint, or it is of another network.
    """
    checkpoint = best_checkpoint(run)
    try:
        network.load_state_dict(checkpoint.network)
    except RuntimeError:
        was = checkpoint.recipe["network"]
        raise DataError(
            f"network.start: the run {run} trained another network ({was['name']}, {was['width']}x{was['height']}, "
            f"{was['dimension']} numbers); a run can only go on from one with the same [network]"
        ) from None


def stages_of(run: Path, checkpoint: Checkpoint) -> tuple[StageCard, ...]:
    """The runs that a checkpoint's weights went through, the first one first and its own last.

    A run whose folder is gone ends the chain: what cannot be read is not told.
    """
    stages = [_stage(run, checkpoint)]
    seen = {run.absolute()}
    while (before := stored_recipe(checkpoint, run).network.start) is not None:
        # A run that was started anew from its own successor would lead round in a circle.
        if before.absolute() in seen:
            break
        try:
            checkpoint = best_checkpoint(before)
        except DataError:
            break
        run = before
        seen.add(run.absolute())
        stages.insert(0, _stage(run, checkpoint))
    return tuple(stages)


def _stage(run: Path, checkpoint: Checkpoint) -> StageCard:
    recipe, extra = stored_recipe(checkpoint, run), checkpoint.extra
    history = run / "history.jsonl"
    records = read_history(history) if history.is_file() else []
    here = [record for record in records if record.get("step") == checkpoint.step]
    rates = {key: value for record in here[-1:] for key, value in record.items() if key.startswith("val_at_")}
    return StageCard(
        name=recipe.name,
        method=recipe.loss.name,
        data=recipe.data.description,
        people=extra.get("people", 0),
        photos=extra.get("photos", 0),
        steps=checkpoint.step,
        hours=sum(record.get("seconds", 0.0) for record in records) / 3600 if records else None,
        figures=tuple(
            FigureCard(name=f"VAL at FAR {key.removeprefix('val_at_')}", value=value, data="validation people")
            for key, value in rates.items()
        ),
        recipe=recipe_as_trained(checkpoint),
    )
