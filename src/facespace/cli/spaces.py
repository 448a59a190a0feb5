"""Spaces made: train, export, demo."""

from pathlib import Path
from typing import Annotated

import typer

from facespace.cli.app import app
from facespace.cli.evaluate import show_figures
from facespace.cli.extras import extra
from facespace.cli.model import show_card
from facespace.cli.options import AsJson
from facespace.cli.output import print_json, say, warn
from facespace.cli.progress import training_progress
from facespace.recipes import find

RunFolder = Annotated[Path, typer.Option("--run", help="Folder of the run: its checkpoints and results.")]


@app.command("train")
def train_command(
    recipe: Annotated[str, typer.Argument(help="The recipe: a TOML file, or the name of a ready one.")],
    run: RunFolder = Path("runs/train"),
    resume: Annotated[bool, typer.Option("--resume", help="Continue from the last checkpoint.")] = False,
    json: AsJson = False,
) -> None:
    """Train a space with the triplet loss."""
    with extra("train"):
        from facespace.train.recipe import read_recipe
        from facespace.train.session import train_recipe
    read = read_recipe(find(recipe))
    try:
        with training_progress(read.steps) as on_step:
            trained = train_recipe(read, run, resume, on_step, warn)
    except KeyboardInterrupt:
        warn(f"stopped; continue with: facespace train {recipe} --run {run} --resume")
        raise
    last = trained.history[-1]
    if json:
        print_json({"run": run, "resumed_from": trained.resumed_from, "seconds": trained.seconds, "last": last})
        return
    say(
        f"trained steps {trained.resumed_from + 1} to {len(trained.history)} in {trained.seconds:.0f} s: "
        f"loss {last['loss']:.3f}, active triplets {last['active']:.0%}, mean squared distance "
        f"{last['positive_distance']:.2f} within people, {last['negative_distance']:.2f} between them"
    )
    say(f"next: facespace export --run {run} model.onnx")


@app.command("export")
def export_command(
    model: Annotated[Path, typer.Argument(help="The model file to write.")],
    run: RunFolder = Path("runs/train"),
    json: AsJson = False,
) -> None:
    """Write a trained space as one model file, checked against the network it came from."""
    with extra("train"):
        from facespace.train.session import export_run
    card = export_run(run, model, warn)
    if json:
        print_json({"model": model, "card": card})
        return
    say(f"wrote {model} ({model.stat().st_size / 1e6:.1f} MB)")
    show_card(card)


@app.command("demo")
def demo_command(
    run: RunFolder = Path("runs/demo"),
    seed: Annotated[int, typer.Option(help="Of the network's weights, the batches and the people set aside.")] = 1,
    json: AsJson = False,
) -> None:
    """Train on 30 people of the ORL faces, and show the three answers on 10 others."""
    with extra("train"):
        from facespace.demo import demo_recipe, run_demo
    recipe = demo_recipe(run, seed)
    with training_progress(recipe.steps) as on_step:
        result = run_demo(recipe, run, on_step, warn)
    if json:
        print_json({**result.evaluation.as_figures(), "report": result.report})
        return
    show_figures(result.evaluation)
    say(str(result.report))
