"""Curves of a training run as matplotlib figures. Needs the extra `report`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from facespace.evaluate.report.plots import PALETTE

Records = list[dict[str, Any]]

# Points of a curve. Longer runs are averaged down to this number, since a plot cannot show more.
MAX_POINTS = 400
_UNDONE = "#999999"


@dataclass(frozen=True)
class Curve:
    """One plot: its title, a caption, and its lines as keys of the history with their labels."""

    title: str
    words: str
    lines: dict[str, str]
    bottom: float | None = 0.0
    log: bool = False
    marked: bool = False


CURVES = (
    Curve(
        "Loss",
        "The mean over a batch. It falls slowly, because mining selects the triplets that are still wrong. In a "
        "collapse it stays at the margin.",
        {"loss": "loss"},
    ),
    Curve(
        "Active triplets",
        "The share of anchor-positive pairs that violate the margin, and of pairs with a negative closer than the "
        "positive. Near 0 there is nothing left to learn. If it stays near 1, the network is not learning.",
        {"active": "violate the margin", "hard": "negative closer than positive"},
    ),
    Curve(
        "Distances",
        "Mean squared distance between two faces of a batch. If both are near 0, the space has collapsed.",
        {"positive_distance": "same person", "negative_distance": "different people"},
    ),
    Curve(
        "VAL on validation people",
        "The share of same-person pairs accepted at each false accept rate, for people not in the training set.",
        {f"val_at_{far}": f"FAR {far}" for far in ("1e-01", "1e-02", "1e-03")},
        marked=True,
    ),
    Curve("Learning rate", "After warm-up, schedule and rollbacks.", {"rate": "rate"}),
    Curve("Gradient norm", "Over all weights, before clipping.", {"gradient_norm": "norm"}, None, log=True),
    Curve("Effective rank", "How many dimensions the embeddings of a batch use.", {"rank": "rank"}),
)


def all_curves(kept: Records, undone: Records, curves: Sequence[Curve] = CURVES) -> list[tuple[str, str, Figure]]:
    """Return (title, caption, figure) of each curve that the run has figures for.

    Parameters
    ----------
    kept, undone : records of the steps that count, and of the steps undone by a rollback
    curves : the curves to draw
    """
    return [
        (curve.title, curve.words, _drawn(curve, kept, undone))
        for curve in curves
        if any(name in record for record in kept for name in curve.lines)
    ]


def thinned(steps: NDArray[np.float64], values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Reduce a curve to at most `MAX_POINTS` points, each the mean of consecutive steps."""
    width = -(-len(steps) // MAX_POINTS)
    if width <= 1:
        return steps, values
    starts = np.arange(0, len(steps), width)
    counts = np.diff(np.append(starts, len(steps)))
    return np.add.reduceat(steps, starts) / counts, np.add.reduceat(values, starts) / counts


def _drawn(curve: Curve, kept: Records, undone: Records) -> Figure:
    with mpl.rc_context({"font.size": 11}):
        figure = Figure(figsize=(6, 3.4), layout="constrained")
        axes = figure.subplots()
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        for number, (name, words) in enumerate(curve.lines.items()):
            steps, values = _numbers(undone, name)
            if len(steps):
                label = "undone by a rollback" if number == 0 else None
                axes.plot(*thinned(steps, values), ".", color=_UNDONE, markersize=3, label=label)
            style = "o-" if curve.marked else "-"
            axes.plot(*thinned(*_numbers(kept, name)), style, color=PALETTE[number], markersize=4, label=words)
        axes.set(xlabel="step")
        if curve.log:
            axes.set_yscale("log")
        if curve.bottom is not None:
            axes.set_ylim(bottom=curve.bottom)
        if len(axes.get_legend_handles_labels()[1]) > 1:
            axes.legend(frameon=False)
    return figure


def _numbers(records: Records, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    pairs = [(record["step"], record[name]) for record in records if np.isfinite(record.get(name, np.nan))]
    steps, values = np.array(pairs, np.float64).reshape(-1, 2).T
    return steps, values
