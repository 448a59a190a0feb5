"""The demo: train on 30 people, show the three answers on 10 others.

Thirty people are few, so none of them is spared for thresholds. These are measured on six of them by a space of the
same recipe that was trained on the other 24, and then given to the one trained on all (as scikit-learn's
CalibratedClassifierCV does with ensemble=False).
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from facespace.demo.orl import lay_out
from facespace.errors import DataError
from facespace.evaluate import Evaluation, evaluate, open_photos, protocols, write_results
from facespace.model import read_model, write_model
from facespace.recipes import find
from facespace.space import load
from facespace.train.engine.checkpoint import last_checkpoint
from facespace.train.recipe import Recipe, read_recipe
from facespace.train.session import export_run, train_recipe

TRAINED, UNSEEN = (1, 30), (31, 40)

# Set aside in the first of the two trainings, which measures what a distance means.
MEASURED_ON = 6


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
        As `demo_recipe` gives it for the same `run`; its seed decides the weights, the batches, and on which six
        people thresholds are measured.
    run : path
        Folder for photos, checkpoints, model.onnx, figures.json and report.html. A run that was stopped is
        continued; one that is finished or had another recipe is begun anew.
    on_step, warn : as for `train`; the second training's steps count on from the first's

    Raises
    ------
    DataError
        The photos are not installed, or the disk refused.
    """
    lay_out(recipe.data.train, *TRAINED)
    unseen = lay_out(run / "photos" / "unseen", *UNSEEN)
    model, measuring = run / "model.onnx", run / "measuring"
    data = recipe.data.model_copy(update={"validation_people": MEASURED_ON})
    spared = recipe.model_copy(update={"data": data})
    if _steps_done(run, recipe) == recipe.steps:
        # Finished before: whoever asks again wants to see it happen.
        shutil.rmtree(run / "checkpoints", ignore_errors=True)
        shutil.rmtree(measuring / "checkpoints", ignore_errors=True)
    first = train_recipe(spared, measuring, _steps_done(measuring, spared) > 0, on_step, warn)
    decisions = export_run(measuring, measuring / "model.onnx", warn).decisions

    def count_on(record: dict[str, float]) -> None:
        on_step({**record, "step": record["step"] + recipe.steps})

    trained = train_recipe(recipe, run, _steps_done(run, recipe) > 0, count_on, warn)
    export_run(run, model, warn)
    written = read_model(model)
    write_model(model, written.onnx, written.card.model_copy(update={"decisions": decisions}))
    evaluation = evaluate(load(model), protocols.people(open_photos(unseen)))
    seconds = sum(record["seconds"] for record in (*first.history, *trained.history))
    evaluation = replace(evaluation, extra={"train_seconds": seconds})
    report = write_results(
        evaluation, run, f"facespace demo --run {run} --seed {recipe.seed}", "facespace: one space, three answers"
    )
    return DemoResult(evaluation, report)


def _steps_done(run: Path, recipe: Recipe) -> int:
    """How far `run` has come with this recipe; a run of another recipe is cleared away."""
    checkpoints = run / "checkpoints"
    try:
        before = last_checkpoint(run)
    except DataError:
        before = None
    if before is None or before.recipe != recipe.model_dump(mode="json"):
        shutil.rmtree(checkpoints, ignore_errors=True)
        return 0
    return before.step
