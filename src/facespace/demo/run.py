"""The demo: train on 30 people and evaluate on 10 others.

Thirty people are too few to hold some out for thresholds. A first model of the same recipe is therefore trained on 24
of them, thresholds are measured on the other six, and the final model, trained on all 30, uses these thresholds (as
scikit-learn's CalibratedClassifierCV does with ensemble=False).
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

# People held out in the first of the two trainings, to measure thresholds on.
MEASURED_ON = 6


@dataclass(frozen=True)
class DemoResult:
    """The figures of the demo and the path of its report."""

    evaluation: Evaluation
    report: Path


def demo_recipe(run: Path, seed: int) -> Recipe:
    """Return the built-in recipe `demo` with this seed and with its photos under `run`."""
    recipe = read_recipe(find("demo"))
    data = recipe.data.model_copy(update={"train": run / "photos" / "train"})
    return recipe.model_copy(update={"seed": seed, "data": data})


def run_demo(
    recipe: Recipe, run: Path, on_step: Callable[[dict[str, float]], None], warn: Callable[[str], None]
) -> DemoResult:
    """Copy the photos, train, export, and evaluate on people that were not trained on.

    Parameters
    ----------
    recipe : Recipe
        The result of `demo_recipe` for the same `run`. Its seed decides the weights, the batches and which six
        people the thresholds are measured on.
    run : path
        Folder for photos, checkpoints, model.onnx, figures.json and report.html. An interrupted run is continued;
        one that is finished or used another recipe starts from the beginning.
    on_step, warn : as for `train_recipe`; step numbers of the second training continue those of the first

    Raises
    ------
    DataError
        The photos are not installed or cannot be copied.
    """
    lay_out(recipe.data.train, *TRAINED)
    unseen = lay_out(run / "photos" / "unseen", *UNSEEN)
    model, measuring = run / "model.onnx", run / "measuring"
    data = recipe.data.model_copy(update={"validation_people": MEASURED_ON})
    spared = recipe.model_copy(update={"data": data})
    if _steps_done(run, recipe) == recipe.steps:
        # A finished demo that is started again runs again.
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
    report = write_results(evaluation, run, f"facespace demo --run {run} --seed {recipe.seed}", "facespace demo")
    return DemoResult(evaluation, report)


def _steps_done(run: Path, recipe: Recipe) -> int:
    """Return how many steps `run` has done with this recipe; the checkpoints of another recipe are deleted."""
    checkpoints = run / "checkpoints"
    try:
        before = last_checkpoint(run)
    except DataError:
        before = None
    if before is None or before.recipe != recipe.model_dump(mode="json"):
        shutil.rmtree(checkpoints, ignore_errors=True)
        return 0
    return before.step
