"""The demo: train on 30 people, show the three answers on 10 others."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from facespace.demo.orl import lay_out
from facespace.embed import load
from facespace.errors import DataError
from facespace.evaluate import Evaluation, evaluate, open_photos, protocols, write_results
from facespace.recipes import find
from facespace.train.checkpoint import last_checkpoint
from facespace.train.recipe import Recipe, read_recipe
from facespace.train.session import export_run, train_recipe

TRAINED, UNSEEN = (1, 30), (31, 40)


@dataclass(frozen=True)
class DemoResult:
    """What the demo found, and the path of its report."""

    evaluation: Evaluation
    report: Path


def demo_recipe(run: Path, seed: int) -> Recipe:
    """The ready recipe `demo`, with this seed and its photos under `run`."""
    recipe = read_recipe(find("demo"))
    data = recipe.data.model_copy(update={"train": run / "photos" / "train"})
    return recipe.model_copy(update={"seed": seed, "data": data})


def run_demo(
    recipe: Recipe, run: Path, on_step: Callable[[dict[str, float]], None], warn: Callable[[str], None]
) -> DemoResult:
    """Lay out the photos, train, export, and answer about people never trained on.

    Parameters
    ----------
    recipe : Recipe
        As `demo_recipe` gives it for the same `run`; its seed decides the weights, the batches, and the six
        people set aside for thresholds.
    run : path
        Folder for photos, checkpoints, model.onnx, figures.json and report.html. A run that was stopped is
        continued; one that is finished or had another recipe is begun anew.
    on_step, warn : as for `train`

    Raises
    ------
    DataError
        The photos are not installed, or the disk refused.
    """
    lay_out(recipe.data.train, *TRAINED)
    unseen = lay_out(run / "photos" / "unseen", *UNSEEN)
    trained = train_recipe(recipe, run, _continues(run, recipe), on_step, warn)
    model = run / "model.onnx"
    export_run(run, model, warn)
    evaluation = evaluate(load(model), protocols.people(open_photos(unseen)))
    evaluation = replace(evaluation, extra={"train_seconds": sum(record["seconds"] for record in trained.history)})
    report = write_results(
        evaluation, run, f"facespace demo --run {run} --seed {recipe.seed}", "facespace: one space, three answers"
    )
    return DemoResult(evaluation, report)


def _continues(run: Path, recipe: Recipe) -> bool:
    """Whether `run` holds a stopped run of this recipe; any other earlier run of the demo is cleared away."""
    checkpoints = run / "checkpoints"
    try:
        before = last_checkpoint(run)
    except DataError:
        shutil.rmtree(checkpoints, ignore_errors=True)
        return False
    if before.recipe == recipe.model_dump(mode="json") and before.step < recipe.steps:
        return True
    shutil.rmtree(checkpoints, ignore_errors=True)
    return False
