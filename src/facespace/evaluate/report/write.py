"""Collect the content of the report, and write the page and its plots."""

import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.figure import Figure

from facespace.errors import DataError
from facespace.evaluate.answers import Evaluation
from facespace.evaluate.figures import figure_rows, power
from facespace.evaluate.metrics import Difference
from facespace.evaluate.report import plots
from facespace.evaluate.report.pictures import Pictures, data_uri
from facespace.files import replacing
from facespace.images import writable

# A map with more marks or names than this is unreadable.
MAX_MAPPED, MAX_NAMED = 1500, 60


def write_report(
    evaluation: Evaluation, path: Path, title: str, command: str, differences: list[Difference] | None = None
) -> None:
    """Write an evaluation as one self-contained HTML file without scripts, and its plots to the folder plots/.

    The file contains photos of faces, which are biometric data, so only its owner can read it.

    Raises
    ------
    DataError
        A file cannot be written.
    """
    drawn = _plots(evaluation)
    images = {name: plots.svg(figure) for name, figure in drawn.items()}
    page = render("page.html.j2", **_contents(evaluation, title, command, images, differences or []))
    write_privately(path, page.encode())
    save_plots(drawn, path.parent / "plots")


def render(template: str, **contents: object) -> str:
    """Render a template of this package."""
    environment = Environment(
        loader=PackageLoader("facespace.evaluate.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["power"] = power
    # Names of photos, people and files may be invalid UTF-8.
    return writable(environment.get_template(template).render(**contents))


def write_privately(path: Path, content: bytes) -> None:
    """Write a file atomically, readable only by its owner; raises DataError if it cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path, private=True) as partial:
            partial.write_bytes(content)
    except OSError as error:
        raise DataError(f"cannot write the report {path}: {error.strerror}") from None


def save_plots(drawn: Mapping[str, Figure], folder: Path) -> None:
    """Save each plot as SVG and PNG."""
    for name, figure in drawn.items():
        write_privately(folder / f"{name}.svg", plots.svg(figure).encode())
        write_privately(folder / f"{name}.png", plots.png(figure))


def versions() -> dict[str, str]:
    """Return the versions of the software that computed the figures."""
    return {
        "Python": platform.python_version(),
        **{name: version(name) for name in ("facespace", "onnxruntime", "numpy")},
    }


def _plots(evaluation: Evaluation) -> dict[str, Figure]:
    v, s, faces = evaluation.verification, evaluation.search, evaluation.faces
    drawn: dict[str, Figure] = {}
    if v is not None:
        drawn |= {
            "roc": plots.roc_plot(v),
            "det": plots.det_plot(v),
            "distances": plots.distance_plot(v, evaluation.space),
        }
    if evaluation.reliability is not None:
        drawn["reliability"] = plots.reliability_plot(evaluation.reliability)
    if s is not None:
        drawn["cmc"] = plots.cmc_plot(s.figures)
        if s.figures.strangers:
            drawn["open_set"] = plots.open_set_plot(s.figures)
    people = evaluation.protocol.people
    if evaluation.rank1 is not None and len(faces.names) <= MAX_MAPPED and len(people) <= MAX_NAMED:
        had, labels = faces.present, evaluation.protocol.labels
        drawn["map"] = plots.space_map(faces.embeddings[had], labels[had], people, seed=0)
    return drawn


def _contents(
    evaluation: Evaluation, title: str, command: str, images: dict[str, str], differences: list[Difference]
) -> dict[str, object]:
    pictures = Pictures(evaluation)
    faces, space = evaluation.faces, evaluation.space
    decisions = space.card.decisions
    return {
        "title": title,
        "command": command,
        "protocol": evaluation.protocol,
        "preparation": faces.preparation.words(space),
        "rows": figure_rows(evaluation),
        "notes": evaluation.notes,
        "differences": differences,
        "verification": evaluation.verification,
        "at_thresholds": evaluation.at_thresholds,
        "breakdowns": evaluation.breakdowns,
        # As images, because inline SVGs of several plots would share their ids.
        "plots": {name: data_uri("image/svg+xml", svg.encode()) for name, svg in images.items()},
        "pairs": pictures.pairs(),
        "threshold": None if decisions is None else space.threshold(),
        "far": None if decisions is None else space.far,
        "search": evaluation.search,
        "searches": pictures.searches(),
        "groups": pictures.groups(),
        "grouping": evaluation.grouping,
        "cut": evaluation.cut,
        "card": space.card,
        "failures": evaluation.failures,
        "people": len(evaluation.protocol.people),
        "photos": len(faces.names),
        "embedded": faces.embedded,
        "embed_seconds": evaluation.embed_seconds,
        "seconds": evaluation.seconds,
        "versions": versions(),
    }
