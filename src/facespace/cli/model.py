"""The commands `model ...`: show, list, verify, import and quantise model files."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facespace.cli.app import app
from facespace.cli.extras import extra
from facespace.cli.groups import show_groups
from facespace.cli.options import AsJson
from facespace.cli.output import as_json, echo, print_json, table, warn
from facespace.errors import FacespaceError

if TYPE_CHECKING:
    from facespace.model import Card, FigureCard, StageCard

model_app = typer.Typer(help="Inspect, verify, import and quantise model files.", no_args_is_help=True)
app.add_typer(model_app, name="model")


ShownModel = Annotated[
    str | None, typer.Argument(help="A model file, or the name of a shipped model. Default: the default model.")
]


@model_app.command("show")
def model_show_command(model: ShownModel = None, json: AsJson = False) -> None:
    """Show the card of a model.

    It has the input format, thresholds, training data and licence.
    """
    from facespace.model import find_model, read_model

    card = read_model(find_model(model)).card
    if json:
        print_json({**as_json(card), "space": card.space_id})
        return
    show_card(card)


@model_app.command("list")
def model_list_command(
    folder: Annotated[Path | None, typer.Argument(help="A folder of model files to list too.")] = None,
    json: AsJson = False,
) -> None:
    """List shipped models and those in a folder."""
    from facespace.model import list_models, shipped_models

    listed = list_models(folder)
    if json:
        print_json({"models": listed})
        return
    for each in listed:
        if each.problem:
            warn(f"{each.path} cannot be used: {each.problem.splitlines()[0]}")
    usable = [(each, each.card) for each in listed if each.card]
    if not usable:
        echo("no usable models; " + ("see the warnings above" if shipped_models() else "give a folder of model files"))
        return
    rows = [[each.name or str(each.path), *_summary(card), _megabytes(each.path)] for each, card in usable]
    table("", ["model", "input", "output", "first figure", "size"], rows)


@model_app.command("verify")
def model_verify_command(model: ShownModel = None, json: AsJson = False) -> None:
    """Run a model and check it against its card."""
    from facespace.model import check_model, find_model, read_model

    path = find_model(model)
    remarks = check_model(read_model(path))
    if json:
        print_json({"model": path, "whole": True, "remarks": remarks})
        return
    echo(f"{path} is intact and matches its card")
    for remark in remarks:
        warn(f"but {remark}")


@model_app.command("import")
def model_import_command(
    source: Annotated[Path, typer.Argument(help="An ONNX file, or dlib's face recognition .dat file.")],
    target: Annotated[Path, typer.Argument(help="The model file to write.")],
    card: Annotated[
        Path | None,
        typer.Option(help="The card, a TOML file. Default: the file of the same name next to the ONNX file."),
    ] = None,
    json: AsJson = False,
) -> None:
    """Make a model file from a third-party network."""
    with extra("convert"):
        from facespace.model.convert import import_model
    made = import_model(source, target, card)
    if json:
        print_json({"model": target, "card": made.card})
        return
    echo(f"wrote {target} ({_megabytes(target)})")
    show_card(made.card)


@model_app.command("quantise")
def model_quantise_command(
    model: Annotated[Path, typer.Argument(help="The file of a model or a detector.")],
    target: Annotated[Path, typer.Argument(help="The int8 file to write.")],
    faces: Annotated[
        Path, typer.Option(help="A folder of photos for calibration. Do not evaluate on the same photos.")
    ],
    detector: Annotated[
        str | None, typer.Option(help="Detector for these photos, instead of the model card's.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Quantise a model or a detector to int8.

    A model becomes a quarter of the size and several times as fast on a CPU. A detector made by `facespace train
    detector` becomes half of the size and about twice as fast.
    """
    from facespace.faces.detector_file import is_detector_file
    from facespace.model import read_model
    from facespace.space import load

    with extra("convert"):
        from facespace.bulk import calibration_faces
        from facespace.model.convert import quantise
    if model.is_file() and is_detector_file(model):
        if detector is not None:
            raise FacespaceError(f"{model} is a detector and finds the faces itself; leave out --detector")
        _quantise_detector(model, target, faces, json)
        return
    crops = calibration_faces(load(model, provider="cpu", detector=detector), faces, on_failure=warn)
    made = quantise(read_model(model), crops, target, _source(faces))
    if json:
        print_json({"model": target, "card": made.card})
        return
    echo(f"wrote {target} ({_megabytes(target)}, from {_megabytes(model)})")
    show_card(made.card)


def _quantise_detector(detector: Path, target: Path, photos: Path, json: bool) -> None:
    from facespace.bulk import calibration_pieces
    from facespace.faces import OneShot
    from facespace.model.convert import quantise_detector

    pieces = calibration_pieces(OneShot(detector), photos, on_failure=warn)
    card = quantise_detector(detector, pieces, target, _source(photos))
    if json:
        print_json({"model": target, "card": card})
        return
    drift = card.quantised.drift if card.quantised else None
    moved = "" if drift is None else f"; scores above .1 differ by {drift:.3f} on average"
    echo(f"wrote {target} ({_megabytes(target)}, from {_megabytes(detector)}), a detector{moved}")


def _source(folder: Path) -> str:
    """The origin of calibration photos, for a card: only the folder's name, because paths are private."""
    return f"the folder {folder.name}"


def show_card(card: "Card") -> None:
    """Print a model card as a table."""
    size = card.input
    rows = [
        ["name", f"{card.name} {card.version}"],
        ["space", card.space_id[:16]],
        ["input", f"{size.width}x{size.height} {size.colour}, {card.detector}, crop {card.crop}"],
        ["output", f"{card.dimension}-dimensional embedding" + ", averaged with the mirror image's" * card.mirror],
        ["licence", card.licence],
        ["terms of the data", card.data_terms],
    ]
    if card.training:
        rows.append(
            ["trained on", f"{card.training.people} people, {card.training.photos} photos: {card.training.data}"]
        )
        rows += [[f"stage {stage.name}", _stage(stage)] for stage in card.training.stages]
    if card.quantised:
        made = card.quantised
        rows.append(
            [
                "quantised",
                f"to int8 from {made.weights_sha256[:16]} with {made.faces} faces of {made.data}, "
                f"mean squared distance {made.drift:.4f}",
            ]
        )
    rows += [[figure.name, _figure(figure)] for figure in card.figures]
    rows += [[limit.condition, _figure(limit.figure) if limit.figure else "unknown"] for limit in card.limits]
    if card.decisions:
        decisions = card.decisions
        rows.append(["thresholds from", f"{decisions.data} ({decisions.impostor_pairs:,} impostor pairs)"])
        average = "" if decisions.groups is None else ", average pair"
        rows += [
            [f"threshold at FAR {t.far:g}{average}", f"{t.threshold:.3f} ({t.low:.3f} to {t.high:.3f})"]
            for t in decisions.thresholds
        ]
        if decisions.groups is not None:
            default = decisions.threshold(decisions.default_far)
            rows.append([f"used by default, FAR {decisions.default_far:g}", f"{default:.3f}, for the worst group"])
        if decisions.calibration.population is not None:
            rows.append(["probabilities hold for", decisions.calibration.population])
        rows += [["calibration error", f"{entry.error:.3f} on {entry.data}"] for entry in decisions.calibration.errors]
        rows += [
            [f"rejection at FRR {r.frr:g}", f"{r.distance:.3f} ({r.low:.3f} to {r.high:.3f})"]
            for r in decisions.rejections
        ]
        rows.append(["default answers", card.decision().errors])
        cut = decisions.clustering
        rows.append(["clustering", f"{cut.linkage} linkage, cut at {cut.threshold:.3f}"])
    else:
        rows.append(["thresholds", "none; measure them with: facespace evaluate MODEL --people FOLDER --write-card"])
    table("", ["", ""], rows)
    if card.decisions and card.decisions.groups:
        show_groups(card.decisions.groups)


def _summary(card: "Card") -> tuple[str, str, str]:
    kind = "float32" if card.quantised is None else "int8"
    takes = f"{card.input.width}x{card.input.height}, {card.detector}"
    first = f"{card.figures[0].name} {card.figures[0].value:.4g}" if card.figures else "not measured"
    return takes, f"{card.dimension}-D, {kind}", first


def _megabytes(path: Path) -> str:
    return f"{path.stat().st_size / 1e6:.1f} MB"


def _stage(stage: "StageCard") -> str:
    took = "" if stage.hours is None else f" in {stage.hours:.1f} h"
    reached = "".join(f"; {figure.name} {_figure(figure)}" for figure in stage.figures)
    return f"{stage.method}: {stage.steps} steps{took}, {stage.people} people, {stage.photos} photos{reached}"


def _figure(figure: "FigureCard") -> str:
    spread = "" if figure.low is None else f" ({figure.low:.4g} to {figure.high:.4g})"
    note = f"; {figure.note}" if figure.note else ""
    return f"{figure.value:.4g}{spread} on {figure.data}{note}"
