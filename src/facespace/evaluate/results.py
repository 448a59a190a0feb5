"""Results on disk: figures.json for machines, report.html for people."""

import json
import math
from pathlib import Path

from facespace.errors import DataError, FacespaceError
from facespace.evaluate.people import Evaluation


def write_results(evaluation: Evaluation, folder: Path, command: str, title: str = "Evaluation") -> Path:
    """Write folder/figures.json and folder/report.html.

    Parameters
    ----------
    evaluation : Evaluation
    folder : path
        Made if it does not exist.
    command : str
        What gives these figures again; printed in the report.

    Returns
    -------
    Path
        Of the report.

    Raises
    ------
    FacespaceError
        The extra `report` is not installed; the figures are written all the same.
    DataError
        The disk refused.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        partial = folder / ".figures.json.partial"
        partial.write_text(json.dumps(_finite(evaluation.as_figures()), indent=2) + "\n", "utf-8")
        partial.replace(folder / "figures.json")
    except OSError as error:
        raise DataError(f"cannot write the figures to {folder}: {error.strerror}") from None
    try:
        from facespace.evaluate.report import write_report
    except ModuleNotFoundError as error:
        raise FacespaceError(
            f"the figures are in {folder / 'figures.json'}, but the report needs the package {error.name}, which is "
            "not installed: pip install 'facespace[report]'"
        ) from None
    write_report(evaluation, folder / "report.html", title, command)
    return folder / "report.html"


def _finite(value: object) -> object:
    """JSON has no NaN: a bound that could not be found becomes null."""
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
