"""Training in stages: a run that starts from the weights of another run."""

from pathlib import Path

from torch import nn

from facespace.errors import DataError
from facespace.model import FigureCard, StageCard
from facespace.train.engine.checkpoint import Checkpoint, best_checkpoint
from facespace.train.engine.history import read_history
from facespace.train.engine.stored import recipe_as_trained, stored_recipe
from facespace.train.networks import network_record


def start_from(network: nn.Module, name: str, run: Path) -> None:
    """Load the weights of another run: its best checkpoint, or the last one if none was validated.

    A network that extends the other run's (`NetworkRecord.begin_as`) begins by computing the same.

    Parameters
    ----------
    network : new network
    name : its name in a recipe
    run : folder of the other run

    Raises
    ------
    DataError
        The run has no checkpoint, or its network is neither the same nor one that this one extends.
    """
    checkpoint = best_checkpoint(run)
    extend = network_record(name).begin_as.get(checkpoint.recipe["network"]["name"])
    try:
        if extend is None:
            network.load_state_dict(checkpoint.network)
        else:
            extend(network, checkpoint.network)
    except RuntimeError:
        was = checkpoint.recipe["network"]
        raise DataError(
            f"network.start: the run {run} trained another network ({was['name']}, {was['width']}x{was['height']}, "
            f"{was['dimension']} dimensions); a run can only start from a run with the same [network]"
        ) from None


def stages_of(run: Path, checkpoint: Checkpoint) -> tuple[StageCard, ...]:
    """List the runs that a checkpoint's weights come from, the first one first and its own run last.

    The list stops at a run whose folder no longer exists.
    """
    stages = [_stage(run, checkpoint)]
    seen = {run.absolute()}
    while (before := stored_recipe(checkpoint, run).network.start) is not None:
        # Two runs that were started from each other would give an endless loop.
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
