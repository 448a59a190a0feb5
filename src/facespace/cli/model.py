"""Model files: facespace model show, list, verify, import, quantise."""

from pathlib import Path
from typing import Annotated

import typer

from facespace.cli.app import app
from facespace.cli.extras import extra
from facespace.cli.groups import show_groups
from facespace.cli.options import AsJson, ModelArgument
from facespace.cli.output import as_json, print_json, say, table, warn
from facespace.model import (
    Card,
    FigureCard,
    StageCard,
    check_model,
    find_model,
    list_models,
    read_model,
    shipped_models,
)
from facespace.space import load

model_app = typer.Typer(help="Model files: what is inside, and networks made elsewhere.", no_args_is_help=True)
app.add_typer(model_app, name="model")


ShownModel = Annotated[
    str | None, typer.Argument(help="A model file, or the name of a shipped model; the default one where not given.")
]


@model_app.command("show")
def model_show_command(model: ShownModel = None, json: AsJson = False) -> None:
    """The card of a model: input, thresholds, where it comes from."""
    card = read_model(find_model(model)).card
    if json:
        print_json({**as_json(card), "space": card.space_id})
        return
    show_card(card)


@model_app.command("list")
def model_list_command(
    folder: Annotated[Path | None, typer.Argument(help="A folder of model files, besides the shipped ones.")] = None,
    json: AsJson = False,
) -> None:
    """The models that come with this version, and those in a folder."""
    listed = list_models(folder)
    if json:
        print_json({"models": listed})
        return
    for each in listed:
        if each.problem:
            warn(f"{each.path} cannot be used: {each.problem.splitlines()[0]}")
    usable = [(each, each.card) for each in listed if each.card]
    if not usable:
        say("no models; this version ships " + ("some, see above" if shipped_models() else "none: name a folder"))
        return
    rows = [[each.name or str(each.path), *_summary(card), _megabytes(each.path)] for each, card in usable]
    table("", ["model", "takes", "gives", "first figure", "size"], rows)


@model_app.command("verify")
def model_verify_command(model: ShownModel = None, json: AsJson = False) -> None:
    """Check that a model is whole and does what its card says, by running it."""
    path = find_model(model)
    remarks = check_model(read_model(path))
    if json:
        print_json({"model": path, "whole": True, "remarks": remarks})
        return
    say(f"{path} is whole and does what its card says")
    for remark in remarks:
        warn(f"but {remark}")


@model_app.command("import")
def model_import_command(
    source: Annotated[Path, typer.Argument(help="An ONNX network, or dlib's face recognition .dat file.")],
    target: Annotated[Path, typer.Argument(help="The model file to write.")],
    card: Annotated[
        Path | None,
        typer.Option(help="Its card, a TOML file; beside the network and of the same name where not given."),
    ] = None,
    json: AsJson = False,
) -> None:
    """Make a model file from a network made elsewhere."""
    with extra("convert"):
        from facespace.model.convert import import_model
    made = import_model(source, target, card)
    if json:
        print_json({"model": target, "card": made.card})
        return
    say(f"wrote {target} ({_megabytes(target)})")
    show_card(made.card)


@model_app.command("quantise")
def model_quantise_command(
    model: ModelArgument,
    target: Annotated[Path, typer.Argument(help="The int8 model file to write.")],
    faces: Annotated[Path, typer.Option(help="A folder of photos to calibrate on; none that you measure on.")],
    detector: Annotated[
        str | None, typer.Option(help="How to find faces in these photos, in place of the card's way.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Make the int8 form of a model: a quarter of the size, and several times as fast on a CPU."""
    with extra("convert"):
        from facespace.bulk import calibration_faces
        from facespace.model.convert import quantise
    crops = calibration_faces(load(model, provider="cpu", detector=detector), faces, on_failure=warn)
    made = quantise(read_model(model), crops, target, f"the folder {faces.name}")
    if json:
        print_json({"model": target, "card": made.card})
        return
    say(f"wrote {target} ({_megabytes(target)}, from {_megabytes(model)})")
    show_card(made.card)


def show_card(card: Card) -> None:
    """The card as a table."""
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
        rows += [[f"stage {stage.name}", _stage(stage)] for stage in card.training.stages]
    if card.quantised:
        made = card.quantised
        rows.append(
            [
                "quantised",
                f"int8 from {made.weights_sha256[:16]} by {made.faces} faces of {made.data}, "
                f"mean squared distance {made.drift:.4f}",
            ]
        )
    rows += [[figure.name, _figure(figure)] for figure in card.figures]
    rows += [[limit.condition, _figure(limit.figure) if limit.figure else "not known"] for limit in card.limits]
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
        rows.append(["thresholds", "none yet: facespace evaluate MODEL --people FOLDER --write-card"])
    table("", ["card", ""], rows)
    if card.decisions and card.decisions.groups:
        show_groups(card.decisions.groups)


def _summary(card: Card) -> tuple[str, str, str]:
    kind = "float32" if card.quantised is None else "int8"
    takes = f"{card.input.width}x{card.input.height}, {card.detector}"
    first = f"{card.figures[0].name} {card.figures[0].value:.4g}" if card.figures else "not measured"
    return takes, f"{card.dimension} numbers, {kind}", first


def _megabytes(path: Path) -> str:
    return f"{path.stat().st_size / 1e6:.1f} MB"


def _stage(stage: StageCard) -> str:
    took = "" if stage.hours is None else f" in {stage.hours:.1f} h"
    reached = "".join(f"; {figure.name} {_figure(figure)}" for figure in stage.figures)
    return f"{stage.method}: {stage.steps} steps{took}, {stage.people} people, {stage.photos} photos{reached}"


def _figure(figure: FigureCard) -> str:
    spread = "" if figure.low is None else f" ({figure.low:.4g} to {figure.high:.4g})"
    note = f"; {figure.note}" if figure.note else ""
    return f"{figure.value:.4g}{spread} on {figure.data}{note}"
