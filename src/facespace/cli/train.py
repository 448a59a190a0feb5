"""The commands `train`, `export` and `demo`."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from facespace.cli.app import app
from facespace.cli.evaluate import show_figures
from facespace.cli.extras import extra
from facespace.cli.model import show_card
from facespace.cli.options import AsJson, Explain
from facespace.cli.output import echo, errors, print_json, warn
from facespace.cli.progress import training_progress
from facespace.cli.stopping import stopping_between_steps
from facespace.errors import DataError

# torchrun takes --run for an abbreviation of one of its own options, so --out works too.
RunFolder = Annotated[Path, typer.Option("--run", "--out", help="Folder of the run, for checkpoints and results.")]


@app.command("train")
def train_command(
    recipe: Annotated[str, typer.Argument(help="A recipe: a TOML file, or the name of a built-in recipe.")],
    run: RunFolder = Path("runs/train"),
    data: Annotated[
        Path | None,
        typer.Option(help="Folder that the recipe's data paths are relative to. Default: the recipe's folder."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue from the last checkpoint.")] = False,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1 or mps; auto chooses the best available.")] = "auto",
    loaders: Annotated[int | None, typer.Option(min=0, help="Data loader processes. Default: none on a CPU.")] = None,
    tensorboard: Annotated[Path | None, typer.Option(help="Also write TensorBoard logs to this folder.")] = None,
    json: AsJson = False,
) -> None:
    """Train a model or a face detector from a recipe.

    The recipe sets the network, the data, the loss and how triplets are mined.

    To train on several GPUs, start it with torchrun:

    torchrun --nproc-per-node 2 -m facespace.train RECIPE --out RUN
    """
    from facespace.recipes import find

    with extra("train"):
        from facespace.train.detector.session import is_detector
        from facespace.train.engine.distributed import Workers
        from facespace.train.recipe import read_recipe
        from facespace.train.report.tensorboard import writing_to
        from facespace.train.session import train_recipe
    path = find(recipe)
    if is_detector(path):
        _train_detector(path, recipe, run, data, resume, device, loaders, json)
        return
    read = read_recipe(path, data)
    workers = Workers(device, loaders)
    if workers.first:
        errors.print("reading the training set", highlight=False)
    try:
        with (
            training_progress(read.steps, workers.first) as show,
            writing_to(tensorboard if workers.first else None) as note,
            stopping_between_steps(workers.size == 1) as after_step,
        ):

            def on_step(record: dict[str, float]) -> None:
                show(record)
                note(record)
                after_step()

            # A process that torchrun restarts always resumes.
            trained = train_recipe(read, run, resume or workers.restarted, on_step, warn, workers)
    except KeyboardInterrupt:
        warn(f"interrupted; continue with: {_resuming(recipe, run, data)}")
        raise
    if not workers.first:
        return
    last = trained.history[-1]
    if json:
        figures = {"resumed_from": trained.resumed_from, "seconds": trained.seconds, "precision": trained.precision}
        figures["verdict"] = trained.verdict
        print_json({"run": run, **figures, "last": last})
        return
    echo(
        f"trained steps {trained.resumed_from + 1} to {len(trained.history)} in {trained.seconds:.0f} s "
        f"({trained.precision}): loss {last['loss']:.3f}, mean squared distance {last['positive_distance']:.2f} "
        f"within a person, {last['negative_distance']:.2f} between people"
    )
    rates = [f"{key.removeprefix('val_at_')}: {value:.3f}" for key, value in last.items() if key.startswith("val_at")]
    if rates:
        echo(f"VAL on held-out people, at FAR {', '.join(rates)}")
    if trained.rollbacks:
        echo(f"training diverged and was rolled back {trained.rollbacks} times; see {run}/history.jsonl")
    echo(f"next step: facespace export --run {run} model.onnx")


def _train_detector(
    path: Path, name: str, run: Path, data: Path | None, resume: bool, device: str, loaders: int | None, json: bool
) -> None:
    from facespace.train.detector.recipe import read_detector_recipe
    from facespace.train.detector.session import train_detector_recipe

    read = read_detector_recipe(path, data)
    last: dict[str, float] = {}
    try:
        with training_progress(read.steps) as show, stopping_between_steps() as after_step:

            def on_step(record: dict[str, float]) -> None:
                show(record)
                last.update(record)
                after_step()

            trained = train_detector_recipe(read, run, resume, on_step, warn, loaders, device)
    except KeyboardInterrupt:
        warn(f"interrupted; continue with: {_resuming(name, run, data)}")
        raise
    if json:
        print_json({"run": run, "resumed_from": trained.resumed_from, "seconds": trained.seconds, "last": last})
        return
    echo(f"trained steps {trained.resumed_from + 1} to {read.steps} in {trained.seconds:.0f} s")
    if "precision" in last:
        echo(f"average precision on the validation photos: {last['precision']:.3f}")
    echo(f"next step: facespace export --run {run} detector.onnx")


def _resuming(recipe: str, run: Path, data: Path | None) -> str:
    """The command that continues a run."""
    words = ["facespace", "train", recipe, *([] if data is None else ["--data", str(data)]), "--run", str(run)]
    return f"{shlex.join(words)} --resume"


@app.command("export")
def export_command(
    model: Annotated[Path, typer.Argument(help="The model file to write.")],
    run: RunFolder = Path("runs/train"),
    mirror: Annotated[
        bool,
        typer.Option(
            "--mirror",
            help="Average the embeddings of each face and its mirror image: more accurate, almost twice the time.",
        ),
    ] = False,
    json: AsJson = False,
) -> None:
    """Export a trained model or detector to one file.

    The file is checked against the trained network.
    """
    with extra("train"):
        from facespace.train.detector.session import export_detector_run, is_detector_run
        from facespace.train.session import export_run
    if is_detector_run(run):
        if mirror:
            raise DataError(f"{run} is a run of a detector, which makes no embeddings; leave out --mirror")
        detector = export_detector_run(run, model, warn)
        if json:
            print_json({"model": model, "card": detector})
            return
        echo(f"wrote {model} ({model.stat().st_size / 1e6:.1f} MB), a detector with the threshold {detector.score:.2f}")
        return
    card = export_run(run, model, warn, mirror)
    if json:
        print_json({"model": model, "card": card})
        return
    echo(f"wrote {model} ({model.stat().st_size / 1e6:.1f} MB)")
    show_card(card)


@app.command("demo")
def demo_command(
    run: RunFolder = Path("runs/demo"),
    seed: Annotated[int, typer.Option(help="Random seed for weights, batches and held-out people.")] = 1,
    explain: Explain = False,
    json: AsJson = False,
) -> None:
    """Train and evaluate a small model on the ORL faces.

    It is trained on 30 people and evaluated on the other 10.
    """
    with extra("train"):
        from facespace.demo import demo_recipe, run_demo
        from facespace.evaluate import as_figures
    recipe = demo_recipe(run, seed)
    with training_progress(2 * recipe.steps) as on_step:
        result = run_demo(recipe, run, on_step, warn)
    if json:
        print_json({**as_figures(result.evaluation), "report": result.report})
        return
    show_figures(result.evaluation, explain)
    echo(str(result.report))
