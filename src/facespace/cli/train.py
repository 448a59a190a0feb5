"""Spaces made: train, export, demo."""

from pathlib import Path
from typing import Annotated

import typer

from facespace.cli.app import app
from facespace.cli.evaluate import show_figures
from facespace.cli.extras import extra
from facespace.cli.model import show_card
from facespace.cli.options import AsJson
from facespace.cli.output import errors, print_json, say, warn
from facespace.cli.progress import training_progress
from facespace.recipes import find

# torchrun takes --run for a shortened option of its own.
RunFolder = Annotated[Path, typer.Option("--run", "--out", help="Folder of the run: its checkpoints and results.")]


@app.command("train")
def train_command(
    recipe: Annotated[str, typer.Argument(help="The recipe: a TOML file, or the name of a ready one.")],
    run: RunFolder = Path("runs/train"),
    data: Annotated[
        Path | None, typer.Option(help="Folder the recipe's data stand in; by default the recipe's own.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue from the last checkpoint.")] = False,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps; auto takes the best there is.")] = "auto",
    loaders: Annotated[
        int | None, typer.Option(min=0, help="Processes that prepare batches; by default none for a CPU.")
    ] = None,
    tensorboard: Annotated[Path | None, typer.Option(help="Also write TensorBoard's records to this folder.")] = None,
    json: AsJson = False,
) -> None:
    """Train a space with the triplet loss.

    Started by torchrun, its processes share each batch:
    torchrun --nproc-per-node 2 -m facespace.train RECIPE --out RUN
    """
    with extra("train"):
        from facespace.train.engine.distributed import Workers
        from facespace.train.recipe import read_recipe
        from facespace.train.report.tensorboard import writing_to
        from facespace.train.session import train_recipe
    read = read_recipe(find(recipe), data)
    workers = Workers(device, loaders)
    if workers.first:
        errors.print("reading the faces", highlight=False)
    try:
        with (
            training_progress(read.steps, workers.first) as show,
            writing_to(tensorboard if workers.first else None) as note,
        ):

            def on_step(record: dict[str, float]) -> None:
                show(record)
                note(record)

            # A process that torchrun starts anew has nobody to tell it to resume.
            trained = train_recipe(read, run, resume or workers.restarted, on_step, warn, workers)
    except KeyboardInterrupt:
        warn(f"stopped; continue with: facespace train {recipe} --run {run} --resume")
        raise
    if not workers.first:
        return
    last = trained.history[-1]
    if json:
        figures = {"resumed_from": trained.resumed_from, "seconds": trained.seconds, "precision": trained.precision}
        print_json({"run": run, **figures, "last": last})
        return
    say(
        f"trained steps {trained.resumed_from + 1} to {len(trained.history)} in {trained.seconds:.0f} s "
        f"({trained.precision}): loss {last['loss']:.3f}, mean squared distance {last['positive_distance']:.2f} "
        f"within people, {last['negative_distance']:.2f} between them"
    )
    rates = [f"{key.removeprefix('val_at_')}: {value:.3f}" for key, value in last.items() if key.startswith("val_at")]
    if rates:
        say(f"VAL on people not trained on, at FAR {', '.join(rates)}")
    if trained.rollbacks:
        say(f"{trained.rollbacks} times training failed and went back to a good checkpoint; see {run}/history.jsonl")
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
        from facespace.evaluate import as_figures
    recipe = demo_recipe(run, seed)
    with training_progress(2 * recipe.steps) as on_step:
        result = run_demo(recipe, run, on_step, warn)
    if json:
        print_json({**as_figures(result.evaluation), "report": result.report})
        return
    show_figures(result.evaluation)
    say(str(result.report))
