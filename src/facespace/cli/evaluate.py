"""Spaces measured: evaluate."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facespace.cli.app import app
from facespace.cli.options import AsJson, Provider, Threads
from facespace.cli.output import print_json, say, table, warn
from facespace.embed import load, read_model, write_model

if TYPE_CHECKING:
    from facespace.evaluate import Evaluation


@app.command("evaluate")
def evaluate_command(
    model: Annotated[Path, typer.Argument(help="The model file.")],
    people: Annotated[Path, typer.Option(help="A folder of people the network never saw, PERSON/photo.jpg.")],
    out: Annotated[Path | None, typer.Option(help="Folder for report.html and figures.json.")] = None,
    write_card: Annotated[
        bool, typer.Option("--write-card", help="Measure thresholds on these people and write them into the model.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Of folds and of who is enrolled.")] = 0,
    provider: Provider = None,
    threads: Threads = None,
    json: AsJson = False,
) -> None:
    """Measure the three answers on a folder of people."""
    from facespace.evaluate import evaluate_people, write_results

    if write_card:
        _write_card(model, people, provider, threads)
    evaluation = evaluate_people(load(model, provider=provider, threads=threads), people, seed=seed)
    for failure in evaluation.failures:
        warn(f"left out {failure}")
    if write_card:
        warn("the thresholds were measured on these same people: the figures at them are optimistic")
    written = write_results(evaluation, out, f"facespace evaluate {model} --people {people}") if out else None
    if json:
        print_json({"model": model, **evaluation.as_figures(), "report": written})
        return
    show_figures(evaluation)
    if written:
        say(str(written))


def show_figures(evaluation: "Evaluation") -> None:
    """The figure table of an evaluation."""
    rows = [[row.name, row.value, row.interval or "", row.of, row.meaning] for row in evaluation.rows()]
    table("", ["figure", "value", "95 % interval", "of", "meaning"], rows)


def _write_card(model: Path, people: Path, provider: str | None, threads: int | None) -> None:
    from facespace.evaluate import decide, embed_people

    read = read_model(model)
    space = load(model, provider=provider, threads=threads)
    faces = embed_people(space, people)
    decisions = decide(faces.embeddings, faces.labels, f"{len(faces.people)} people of the folder {people.name}")
    write_model(model, read.onnx, read.card.model_copy(update={"decisions": decisions}))
