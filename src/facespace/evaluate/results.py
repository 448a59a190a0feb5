"""Write results to disk: figures.json for programs, report.html and plots for people."""

import json
from pathlib import Path

from facespace.errors import DataError, FacespaceError
from facespace.evaluate.answers import Evaluation
from facespace.evaluate.figures import as_figures, finite
from facespace.evaluate.metrics import Difference
from facespace.evaluate.sweep import Sweep
from facespace.files import replacing


def write_results(
    evaluation: Evaluation,
    folder: Path,
    command: str,
    title: str = "Evaluation",
    differences: list[Difference] | None = None,
) -> Path:
    """Write folder/figures.json, folder/report.html, and each plot as SVG and PNG in folder/plots.

    Parameters
    ----------
    evaluation : Evaluation
    folder : path
        Created if it does not exist.
    command : str
        The command that reproduces these figures; shown in the report.
    title : str
    differences : list of Difference or None
        Differences from another model, shown in the report.

    Returns
    -------
    Path
        The report.

    Raises
    ------
    FacespaceError
        The extra `report` is not installed; figures.json is still written.
    DataError
        A file cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(folder / "figures.json") as partial:
            partial.write_text(json.dumps(finite(as_figures(evaluation)), indent=2) + "\n", "utf-8")
    except OSError as error:
        raise DataError(f"cannot write the figures to {folder}: {error.strerror}") from None
    try:
        from facespace.evaluate.report import write_report
    except ModuleNotFoundError as error:
        raise FacespaceError(
            f"the figures are in {folder / 'figures.json'}, but the report needs the package {error.name}: "
            "pip install 'facespace[report]'"
        ) from None
    write_report(evaluation, folder / "report.html", title, command, differences or [])
    return folder / "report.html"


def write_sweep(swept: Sweep, folder: Path, command: str) -> Path:
    """Write folder/sweep-WHAT.html, and its plot as SVG and PNG.

    Raises
    ------
    FacespaceError
        The extra `report` is not installed.
    DataError
        A file cannot be written.
    """
    try:
        from facespace.evaluate.report.sweep import write_sweep_page
    except ModuleNotFoundError as error:
        raise FacespaceError(
            f"the report of a sweep needs the package {error.name}: pip install 'facespace[report]'"
        ) from None
    return write_sweep_page(swept, folder, command)
