"""Plots as matplotlib figures, and their conversion to SVG text and PNG bytes."""

import io
from collections.abc import Callable, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.manifold import TSNE

from facespace.evaluate.metrics import IdentificationFigures, Reliability, Roc, VerificationFigures
from facespace.images import writable
from facespace.space import Space

# Okabe and Ito's palette, safe for all kinds of colour blindness.
GENUINE, IMPOSTOR, ACCENT = "#0072B2", "#D55E00", "#000000"
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#000000")
MARKERS = "osD^vPX*<>"

# A fixed salt and no date make the files reproducible.
_STYLE: Any = {"svg.hashsalt": "facespace", "svg.fonttype": "path", "font.size": 11}


def roc_plot(v: VerificationFigures) -> Figure:
    """Plot VAL over FAR, on a logarithmic axis down to one impostor pair, with intervals at the reported FARs."""
    impostors = len(v.impostor)

    def draw(axes: Axes) -> None:
        far, val = _thinned(v.roc)
        axes.step(np.maximum(far, 0.5 / impostors), val, where="post", color=GENUINE)
        for rate, interval in v.val.items():
            below, above = max(interval.value - interval.low, 0), max(interval.high - interval.value, 0)
            axes.errorbar(rate, interval.value, [[below], [above]], fmt="o", color=ACCENT, capsize=3)
            axes.annotate(f"{interval.value:.3f}", (rate, interval.value), (7, -14), textcoords="offset points")
        axes.set(
            xscale="log", xlim=(0.5 / impostors, 1), ylim=(min(0.9, float(_low(v)) - 0.05), 1.01),
            xlabel="FAR: different-person pairs accepted", ylabel="VAL: same-person pairs accepted",
        )  # fmt: skip

    return _figure(draw)


def det_plot(v: VerificationFigures) -> Figure:
    """Plot both error rates against each other (DET), on logarithmic axes."""
    lowest = (0.5 / len(v.impostor), 0.5 / len(v.genuine))
    error = v.equal_error_rate.value

    def draw(axes: Axes) -> None:
        far, val = _thinned(v.roc)
        axes.step(np.maximum(far, lowest[0]), np.maximum(1 - val, lowest[1]), where="post", color=GENUINE)
        axes.plot([max(*lowest), 1], [max(*lowest), 1], ":", color="#888888")
        if error > 0:
            axes.plot(error, error, "o", color=ACCENT)
            axes.annotate(f"equal error rate {error:.4f}", (error, error), (6, 6), textcoords="offset points")
        axes.set(
            xscale="log", yscale="log", xlim=(lowest[0], 1), ylim=(lowest[1], 1),
            xlabel="false match rate (FAR)", ylabel="false non-match rate (1 - VAL)",
        )  # fmt: skip

    return _figure(draw)


def distance_plot(v: VerificationFigures, space: Space) -> Figure:
    """Plot the distributions of genuine and impostor distances, and the card's threshold."""
    genuine, impostor = (kind[np.isfinite(kind)] for kind in (v.genuine, v.impostor))

    def draw(axes: Axes) -> None:
        bins = np.linspace(0, max(float(genuine.max()), float(impostor.max())), 60).tolist()
        axes.hist(genuine, bins, density=True, alpha=0.7, color=GENUINE, label="same person")
        axes.hist(impostor, bins, density=True, alpha=0.5, color=IMPOSTOR, hatch="///", label="different people")
        if space.card.decisions is not None:
            axes.axvline(space.threshold(), color=ACCENT, linestyle="--", label=f"threshold at FAR {space.far:g}")
        axes.set(xlabel="squared distance", ylabel="density")
        axes.legend(frameon=False)

    return _figure(draw)


def reliability_plot(found: Reliability) -> Figure:
    """Plot the observed share of genuine pairs over the predicted probability."""

    def draw(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], ":", color="#888888", label="perfect calibration")
        axes.plot(found.predicted, found.observed, "-", color=GENUINE)
        size = 20 + 400 * found.weight
        axes.scatter(
            found.predicted, found.observed, s=size, color=GENUINE, label="these pairs (area: number of pairs)"
        )
        axes.set(
            xlabel="predicted probability of 'same person'", ylabel="observed share of same-person pairs",
            xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), title=f"calibration error {found.error:.3f}",
        )  # fmt: skip
        axes.legend(frameon=False)

    return _figure(draw)


def cmc_plot(found: IdentificationFigures) -> Figure:
    """Plot the share of searches with the correct person among the k nearest (CMC)."""

    def draw(axes: Axes) -> None:
        shown = found.cmc[:50]
        axes.plot(np.arange(1, len(shown) + 1), shown, "-o", color=GENUINE, markersize=4)
        for k, share in found.rank.items():
            axes.annotate(f"rank-{k}: {share.value:.3f}", (k, share.value), (6, -14), textcoords="offset points")
        axes.set(xlabel="rank", ylabel="correct person within the rank", ylim=(min(0.9, float(shown[0]) - 0.05), 1.01))

    return _figure(draw)


def open_set_plot(found: IdentificationFigures) -> Figure:
    """Plot FNIR against FPIR at every threshold."""
    lowest = 0.5 / found.strangers

    def draw(axes: Axes) -> None:
        fpir, fnir = found.curve
        axes.step(np.maximum(fpir, lowest), fnir, where="post", color=GENUINE)
        if found.fpir is not None and found.fnir is not None:
            axes.plot(
                max(found.fpir.value, lowest),
                found.fnir.value,
                "o",
                color=ACCENT,
                label="the threshold of a gallery of this size",
            )
            axes.legend(frameon=False)
        axes.set(
            xscale="log", xlim=(lowest, 1), ylim=(0, None),
            xlabel="FPIR: strangers identified as somebody", ylabel="FNIR: enrolled people not identified",
        )  # fmt: skip

    return _figure(draw)


def space_map(embeddings: NDArray[np.float32], labels: NDArray[np.int64], people: Sequence[str], seed: int) -> Figure:
    """Plot the embeddings in two dimensions (t-SNE): one mark per face, one colour and shape per person."""
    perplexity = min(15.0, (len(embeddings) - 1) / 3)
    # On the unit sphere, cosine distance is half the squared Euclidean distance.
    points = TSNE(perplexity=perplexity, metric="cosine", init="random", random_state=seed).fit_transform(embeddings)

    def draw(axes: Axes) -> None:
        for person, name in enumerate(people):
            own = points[labels == person]
            if not len(own):
                continue
            colour, marker = PALETTE[person % len(PALETTE)], MARKERS[person % len(MARKERS)]
            axes.scatter(own[:, 0], own[:, 1], s=36, edgecolors="white", linewidths=0.6, color=colour, marker=marker)
            axes.annotate(name.replace("$", r"\$"), np.median(own, axis=0), fontsize=9, fontweight="bold")
        axes.set(xticks=[], yticks=[])

    return _figure(draw, (8, 6))


def sweep_plot(
    ours: Sequence[tuple[float, float, float, float]], reported: Sequence[tuple[float, float]], label: str, log: bool
) -> Figure:
    """Plot VAL over a property: (x, value, low, high) of our results, (x, value) as reported in the paper."""

    def draw(axes: Axes) -> None:
        x, value, low, high = np.array(ours, float).T
        below, above = np.maximum(value - low, 0), np.maximum(high - value, 0)
        axes.errorbar(x, value, [below, above], fmt="-o", color=GENUINE, capsize=3, label="ours")
        if reported:
            axes.plot(*zip(*reported, strict=True), "--s", color=IMPOSTOR, label="the paper, as reported (other data)")
        axes.set(xlabel=label, ylabel="VAL", ylim=(0, 1.02))
        if log:
            axes.set(xscale="log")
        axes.legend(frameon=False)

    return _figure(draw)


def svg(figure: Figure) -> str:
    """Convert a figure to SVG text."""
    target = io.StringIO()
    with mpl.rc_context(_STYLE):
        figure.savefig(target, format="svg", metadata={"Date": None, "Creator": None})
    return writable(target.getvalue())


def png(figure: Figure) -> bytes:
    """Convert a figure to PNG bytes."""
    target = io.BytesIO()
    figure.savefig(target, format="png", dpi=150, metadata={"Software": None})
    return target.getvalue()


def _figure(draw: Callable[[Axes], object], size: tuple[float, float] = (6, 4)) -> Figure:
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots()
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        draw(axes)
    return figure


def _low(v: VerificationFigures) -> float:
    return min(
        (interval.low if np.isfinite(interval.low) else interval.value for interval in v.val.values()), default=0.9
    )


def _thinned(roc: Roc) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Select a few thousand points of the curve, enough for a plot with a logarithmic axis."""
    if len(roc.far) <= 4000:
        return roc.far, roc.val
    wanted = np.geomspace(roc.far[roc.far > 0].min(), 1, 2000)
    kept = np.unique(np.concatenate([np.searchsorted(roc.far, wanted, side="right") - 1, [0, len(roc.far) - 1]]))
    also = np.searchsorted(roc.val, np.linspace(0, 1, 1000)).clip(max=len(roc.far) - 1)
    kept = np.unique(np.concatenate([kept, also]))
    return roc.far[kept], roc.val[kept]
