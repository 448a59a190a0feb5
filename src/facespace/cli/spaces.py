"""Spaces made: train, export, model show, demo."""

from pathlib import Path
from typing import Annotated

import typer

from facespace.cli.app import app
from facespace.cli.evaluate import show_figures
from facespace.cli.options import AsJson
from facespace.cli.output import as_json, print_json, say, table, warn
from facespace.cli.progress import training_progress
from facespace.embed import Card, read_model
from facespace.errors import FacespaceError
from facespace.recipes import find

model_app = typer.Typer(help="What is inside a model file.", no_args_is_help=True)
app.add_typer(model_app, name="model")

RunFolder = Annotated[Path, typer.Option("--run", help="Folder of the run: its checkpoints and results.")]
ModelArgument = Annotated[Path, typer.Argument(help="The model file.")]


@app.command("train")
def train_command(
    recipe: Annotated[str, typer.Argument(help="The recipe: a TOML file, or the name of a ready one.")],
    run: RunFolder = Path("runs/train"),
    resume: Annotated[bool, typer.Option("--resume", help="Continue from the last checkpoint.")] = False,
    json: AsJson = False,
) -> None:
    """Train a space with the triplet loss."""
    with _extra("train"):
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
    with _extra("train"):
        from facespace.train.session import export_run
    card = export_run(run, model, warn)
    if json:
        print_json({"model": model, "card": card})
        return
    say(f"wrote {model} ({model.stat().st_size / 1e6:.1f} MB)")
    _show_card(card)


@model_app.command("show")
def model_show_command(model: ModelArgument, json: AsJson = False) -> None:
    """The card of a model: input, thresholds, where it comes from."""
    card = read_model(model).card
    if json:
        print_json({**as_json(card), "space": card.space_id})
        return
    _show_card(card)


@app.command("demo")
def demo_command(
    run: RunFolder = Path("runs/demo"),
    seed: Annotated[int, typer.Option(help="Of the network's weights, the batches and the people set aside.")] = 1,
    json: AsJson = False,
) -> None:
    """Train on 30 people of the ORL faces, and show the three answers on 10 others."""
    with _extra("train"):
        from facespace.demo import demo_recipe, run_demo
    recipe = demo_recipe(run, seed)
    with training_progress(recipe.steps) as on_step:
        result = run_demo(recipe, run, on_step, warn)
    if json:
        print_json({**result.evaluation.as_figures(), "report": result.report})
        return
    show_figures(result.evaluation)
    say(str(result.report))


def _show_card(card: Card) -> None:
    size = card.input
    rows = [
        ["name", f"{card.name} {card.version}"],
        ["space", card.space_id[:16]],
        ["takes", f"{size.width}x{size.height} {size.colour}, {card.detector}, cut by {card.crop}"],
        ["gives", f"{card.dimension} numbers a face"],
        ["licence", card.licence],
        ["terms of the data", card.data_terms],
    ]
    if card.training:
        rows.append(
            ["trained on", f"{card.training.people} people, {card.training.photos} photos: {card.training.data}"]
        )
    if card.decisions:
        decisions = card.decisions
        rows.append(["thresholds from", f"{decisions.data} ({decisions.impostor_pairs:,} impostor pairs)"])
        rows += [
            [f"threshold at FAR {t.far:g}", f"{t.threshold:.3f} ({t.low:.3f} to {t.high:.3f})"]
            for t in decisions.thresholds
        ]
        cut = decisions.clustering
        rows.append(["clustering", f"{cut.linkage} linkage, cut at {cut.threshold:.3f}"])
    else:
        rows.append(["thresholds", "none yet: facespace evaluate MODEL --people FOLDER --write-card"])
    table("", ["card", ""], rows)


class _extra:  # noqa: N801 - reads as a statement: with _extra("train")
    """Turns a missing package into how to install it."""

    def __init__(self, extra: str):
        self._extra = extra

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, ModuleNotFoundError) and not str(error.name).startswith("facespace"):
            raise FacespaceError(
                f"this needs the package {error.name}, which is not installed: pip install 'facespace[{self._extra}]'"
            ) from None
