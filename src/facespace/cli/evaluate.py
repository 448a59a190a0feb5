"""Spaces measured: evaluate."""

import shlex
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facespace.cli.app import app
from facespace.cli.groups import show_groups
from facespace.cli.options import AsJson, Provider, Threads
from facespace.cli.output import print_json, say, table, warn
from facespace.cli.progress import embedding_progress

if TYPE_CHECKING:
    from facespace.evaluate import Difference, Evaluation, GroupFigures
    from facespace.evaluate.sweep import Sweep


class ProtocolName(StrEnum):
    """What is asked."""

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
    """What a photo without a face counts as."""

    centre_crop = "centre-crop"
    failure = "failure"


class SweepName(StrEnum):
    """What is varied."""

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
            "--images", "--people", help="Photos of people whom the network never saw: a folder or a zip file."
        ),
    ] = None,
    protocol: Annotated[
        ProtocolName,
        typer.Option(
            help="people: all three questions on PERSON/photo. folder: all pairs. lfw, lfw-dev: pairs.txt, "
            "pairsDevTrain/Test.txt. pairs: a CSV file (a, b, same). bin: an insightface .bin file. closed-set, "
            "open-set, search: 1:N. clustering."
        ),
    ] = ProtocolName.people,
    pairs: Annotated[
        list[Path] | None,
        typer.Option(
            help="The pairs file: for lfw-dev twice (train, test); for search the gallery's and the probes' CSV."
        ),
    ] = None,
    landmarks: Annotated[
        Path | None, typer.Option(help="CSV file of five landmarks a photo, in place of the detector.")
    ] = None,
    detector: Annotated[
        str | None, typer.Option(help="In place of the card's detector: aligned-128 for aligned faces.")
    ] = None,
    no_face: Annotated[
        NoFaceName,
        typer.Option(help="Where no face is found: take the fixed centre crop, or count a failure to enrol."),
    ] = NoFaceName.centre_crop,
    columns: Annotated[
        Path | None, typer.Option(help="CSV file with a column photo or person; errors are broken down by its others.")
    ] = None,
    groups: Annotated[
        Path | None,
        typer.Option(
            help="CSV file of strangers by group (photo, group, sex, age): how often each group's are accepted, and "
            "the threshold that holds for the worst. Its photos lie beside it, under the same name."
        ),
    ] = None,
    group_images: Annotated[
        Path | None, typer.Option("--group-images", help="The photos of --groups: a folder or a zip file.")
    ] = None,
    by: Annotated[
        list[str] | None,
        typer.Option(
            help="Columns of --groups, such as group,sex: their combinations decide the thresholds. Given again, the "
            "others are shown. Group by sex where there are such columns."
        ),
    ] = None,
    against: Annotated[
        list[Path] | None,
        typer.Option("--with", help="Another model to compare with; for --sweep dim and data, the others."),
    ] = None,
    sweep: Annotated[
        SweepName | None, typer.Option(help="VAL against JPEG quality, pixels, dimension or training data.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for report.html, figures.json and plots.")] = None,
    write_card: Annotated[
        bool, typer.Option("--write-card", help="Measure thresholds on these people and write them into the model.")
    ] = False,
    cache: Annotated[bool, typer.Option(help="Keep embeddings, so that the next run need not embed.")] = True,
    seed: Annotated[int, typer.Option(help="Of folds, bootstrap and of who is enrolled.")] = 0,
    provider: Provider = None,
    threads: Threads = None,
    json: AsJson = False,
) -> None:
    """Measure a space: figures with intervals, a report, and what its distances mean."""
    from facespace.evaluate import as_figures, protocols, read_groups, write_results
    from facespace.evaluate.session import Session
    from facespace.evaluate.sweep import write_sweep

    # Groups alone need no people with several photos each.
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
            _tell_sweep(swept, written, json)
            return
        if alone:
            if write_card:
                session.write_groups(model, on_progress)
            figures, notes = session.measure_groups(model, on_progress)
            _tell_groups(figures, notes, json)
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
    show_figures(evaluation)
    if evaluation.strangers is not None:
        from facespace.evaluate import groups_card

        show_groups(groups_card(evaluation.strangers))
    _tell_differences(differences)
    if written:
        say(str(written))


def show_figures(evaluation: "Evaluation") -> None:
    """The figure table of an evaluation."""
    from facespace.evaluate import figure_rows

    shown = [[row.name, row.value, row.interval or "", row.of, row.meaning] for row in figure_rows(evaluation)]
    table("", ["figure", "value", "95 % interval", "of", "meaning"], shown)


def _tell_groups(figures: "GroupFigures", notes: tuple[str, ...], json: bool) -> None:
    from facespace.evaluate import groups_card
    from facespace.evaluate.figures import group_figures

    for note in notes:
        warn(note)
    if json:
        print_json({"strangers": group_figures(figures), "notes": notes})
        return
    show_groups(groups_card(figures), figures.calibration_error)


def _tell_differences(differences: "list[Difference]") -> None:
    if not differences:
        return
    rows = [
        [
            d.name.replace("_", " "),
            f"{d.first:.4f}",
            f"{d.second:.4f}",
            f"{d.difference.value:+.4f} ({d.difference.low:+.4f} to {d.difference.high:+.4f})",
            "clear" if d.clear else "may be chance",
        ]
        for d in differences
    ]
    table("", ["figure", "this model", "the other", "difference (95 % interval)", ""], rows)


def _tell_sweep(swept: "Sweep", written: Path | None, json: bool) -> None:
    if json:
        print_json({**swept.as_figures(), "report": written})
        return
    table("", swept.columns, swept.rows())
    say(swept.reminder)
    if written:
        say(str(written))
