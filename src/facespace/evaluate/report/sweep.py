"""The report of a sweep."""

from pathlib import Path

from facespace.evaluate.report import plots
from facespace.evaluate.report.pictures import data_uri
from facespace.evaluate.report.write import render, save_plots, versions, write_privately
from facespace.evaluate.sweep import LABELS, REPORTED, Sweep


def write_sweep_page(swept: Sweep, folder: Path, command: str) -> Path:
    """Write folder/sweep-WHAT.html and its plot; return the path of the page."""
    ours = [(point.x, point.val.value, point.val.low, point.val.high) for point in swept.points]
    figure = plots.sweep_plot(
        ours, sorted(REPORTED[swept.what].items()), LABELS[swept.what], log=swept.what in ("pixels", "data")
    )
    page = render(
        "sweep.html.j2",
        swept=swept,
        title=f"VAL against {LABELS[swept.what]}",
        plot=data_uri("image/svg+xml", plots.svg(figure).encode()),
        command=command,
        versions=versions(),
    )
    path = folder / f"sweep-{swept.what}.html"
    write_privately(path, page.encode())
    save_plots({f"sweep-{swept.what}": figure}, folder / "plots")
    return path
