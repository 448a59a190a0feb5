"""The command `evaluate`: measure a model."""

import shlex
import sys
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facespace.cli.app import app
from facespace.cli.groups import show_groups
from facespace.cli.options import AsJson, Explain, Provider, Threads
from facespace.cli.output import echo, footnote, print_json, table, warn
from facespace.cli.progress import embedding_progress

if TYPE_CHECKING:
    from facespace.evaluate import Difference, Evaluation, GroupFigures
    from facespace.evaluate.sweep import Sweep


class ProtocolName(StrEnum):
    """The protocols, by name."""

    people = "people"
    folder = "folder"
    lfw = "lfw"
    lfw_dev = "lfw-dev"
    pairs = "pairs"
    bin = "bin"
    closed_set = "closed-set"
    open_set = "open-set"
    search = "search"
    clustering = "clustering"


class NoFaceName(StrEnum):
    """What to do with a photo in which no face is found."""

    centre_crop = "centre-crop"
    failure = "failure"


class SweepName(StrEnum):
    """The parameters that --sweep can vary."""

    jpeg = "jpeg"
    pixels = "pixels"
    dim = "dim"
    data = "data"


@app.command("evaluate")
def evaluate_command(
    model: Annotated[Path, typer.Argument(help="The model file.")],
    images: Annotated[
        Path | None,
        typer.Option(
            "--images", "--people", help="Photos of people that the model was not trained on: a folder or a zip file."
        ),
    ] = None,
    protocol: Annotated[
        ProtocolName,
        typer.Option(
            help="people: verification, identification and clustering on PERSON/photo. folder: all pairs. lfw, "
            "lfw-dev: pairs.txt, pairsDevTrain/Test.txt. pairs: a CSV file (a, b, same). bin: an insightface .bin "
            "file. closed-set, open-set, search: 1:N identification. clustering: clustering alone."
        ),
    ] = ProtocolName.people,
    pairs: Annotated[
        list[Path] | None,
        typer.Option(
            help="The pairs file. lfw-dev takes two (train, test); search takes two CSV files (gallery, probes)."
        ),
    ] = None,
    landmarks: Annotated[
        Path | None, typer.Option(help="CSV file with five landmarks per photo, to use instead of a detector.")
    ] = None,
    detector: Annotated[
        str | None,
        typer.Option(help="Detector to use instead of the model card's, such as aligned-128 for aligned faces."),
    ] = None,
    no_face: Annotated[
        NoFaceName,
        typer.Option(help="If no face is found: use the fixed centre crop, or count a failure to enrol."),
    ] = NoFaceName.centre_crop,
    columns: Annotated[
        Path | None,
        typer.Option(help="CSV file with a column photo or person. Errors are broken down by its other columns."),
    ] = None,
    groups: Annotated[
        Path | None,
        typer.Option(
            help="CSV file of people by group (photo, group, sex, age). Measures the false accept rate of each group "
            "and the threshold that holds for the worst. By default its photos lie next to it, under the same name."
        ),
    ] = None,
    group_images: Annotated[
        Path | None, typer.Option("--group-images", help="The photos of --groups: a folder or a zip file.")
    ] = None,
    by: Annotated[
        list[str] | None,
        typer.Option(
            help="Columns of --groups whose combinations decide the thresholds, such as group,sex (the default if both "
            "exist). Further --by only add rows to the report."
        ),
    ] = None,
    against: Annotated[
        list[Path] | None,
        typer.Option("--with", help="Another model to compare with. For --sweep dim and data: the other models."),
    ] = None,
    sweep: Annotated[
        SweepName | None,
        typer.Option(help="Plot VAL against JPEG quality, pixels, embedding dimension or training data."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for report.html, figures.json and plots.")] = None,
    write_card: Annotated[
        bool, typer.Option("--write-card", help="Measure thresholds on these people and write them to the model card.")
    ] = False,
    cache: Annotated[bool, typer.Option(help="Keep embeddings for the next run.")] = True,
    explain: Explain = False,
    seed: Annotated[int, typer.Option(help="Random seed for folds, bootstrap and the choice of enrolled people.")] = 0,
    provider: Provider = None,
    threads: Threads = None,
    json: AsJson = False,
) -> None:
    """Measure the accuracy of a model on photos of people.

    Prints figures with confidence intervals, writes a report with --out, and measures thresholds for the model card
    with --write-card.
    """
    from facespace.evaluate import as_figures, protocols, read_groups, write_results
    from facespace.evaluate.results import write_sweep
    from facespace.evaluate.session import Session

    # --groups alone does not need several photos of each person.
    alone = groups is not None and images is None and protocol is ProtocolName.people
    session = Session(
        None if alone else protocols.by_name(protocol.value, images, pairs or [], seed),
        landmarks=landmarks,
        detector=detector,
        no_face=no_face.value,
        columns=columns,
        cached=cache,
        seed=seed,
        provider=provider,
        threads=threads,
        groups=None if groups is None else read_groups(groups, group_images),
        by=None if by is None else [tuple(title.strip() for title in titles.split(",")) for titles in by],
    )
    command = shlex.join(["facespace", *sys.argv[1:]])
    with embedding_progress() as on_progress:
        if sweep is not None:
            swept = session.sweep(sweep.value, [model, *(against or [])], on_progress)
            written = write_sweep(swept, out, command) if out else None
            _print_sweep(swept, written, json)
            return
        if alone:
            if write_card:
                session.write_groups(model, on_progress)
            figures, notes = session.measure_groups(model, on_progress)
            _print_groups(figures, notes, json)
            return
        if write_card:
            session.write_card(model, on_progress)
        evaluation, differences = session.evaluate(model, against or [], on_progress)
    for failure in evaluation.failures[:20]:
        warn(f"{failure.how}: {failure}")
    for note in evaluation.notes:
        warn(note)
    written = write_results(evaluation, out, command, differences=differences) if out else None
    if json:
        print_json({**as_figures(evaluation), "differences": differences, "report": written})
        return
    show_figures(evaluation, explain)
    if evaluation.strangers is not None:
        from facespace.evaluate import groups_card

        show_groups(groups_card(evaluation.strangers))
    _print_differences(differences)
    if written:
        echo(str(written))


def show_figures(evaluation: "Evaluation", explain: bool = False) -> None:
    """Print the figures of an evaluation as a table; with `explain`, also what each of them means and counts."""
    from facespace.evaluate import figure_rows

    rows = figure_rows(evaluation)
    table("", ["figure", "value", "95 % interval"], [[row.name, row.value, row.interval or ""] for row in rows])
    echo("")
    if explain:
        table(
            "",
            ["figure", "meaning"],
            [[row.name, f"{row.meaning} ({row.of})" if row.of else row.meaning] for row in rows],
        )
    else:
        footnote(f"Measured on {_samples(row.of for row in rows)}. Use --explain for the meaning of each figure.")


def _samples(counts: Iterable[str]) -> str:
    """Join the counts of all figures, without repetitions and without details of a count that is listed."""
    listed: list[str] = []
    for count in counts:
        if any(map(str.isdigit, count)) and not any(count.startswith(known) for known in listed):
            listed.append(count)
    return "; ".join(listed)


def _print_groups(figures: "GroupFigures", notes: tuple[str, ...], json: bool) -> None:
    from facespace.evaluate import groups_card
    from facespace.evaluate.figures import group_figures

    for note in notes:
        warn(note)
    if json:
        print_json({"strangers": group_figures(figures), "notes": notes})
        return
    show_groups(groups_card(figures), figures.calibration_error)


def _print_differences(differences: "list[Difference]") -> None:
    if not differences:
        return
    rows = [
        [
            d.name.replace("_", " "),
            f"{d.first:.4f}",
            f"{d.second:.4f}",
            f"{d.difference.value:+.4f} ({d.difference.low:+.4f} to {d.difference.high:+.4f})",
            "*" if d.clear else "",
        ]
        for d in differences
    ]
    echo("")
    table("", ["figure", "first", "second", "difference (95 % interval)", ""], rows)
    footnote("Differences are first minus second. * marks intervals that do not contain 0.")


def _print_sweep(swept: "Sweep", written: Path | None, json: bool) -> None:
    if json:
        print_json({**swept.as_figures(), "report": written})
        return
    table("", swept.columns, swept.rows())
    echo(swept.reminder)
    if written:
        echo(str(written))
