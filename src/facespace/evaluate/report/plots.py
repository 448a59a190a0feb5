"""Plots as SVG text."""

import io
from collections.abc import Callable, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.manifold import TSNE

from facespace.embed import Space
from facespace.evaluate.roc import Roc

# Okabe and Ito's palette: told apart with any colour vision.
GENUINE, IMPOSTOR, ACCENT = "#0072B2", "#D55E00", "#000000"
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#000000")
MARKERS = "osD^vPX*<>"


def roc_plot(roc: Roc, impostors: int, fars: Sequence[float]) -> str:
    """VAL over FAR, FAR on a logarithmic axis down to one impostor pair; the stated FARs marked."""

    def draw(axes: Axes) -> None:
        axes.step(np.maximum(roc.far, 0.5 / impostors), roc.val, where="post", color=GENUINE)
        for far in fars:
            axes.plot(far, roc.val_at(far), "o", color=ACCENT)
            axes.annotate(f"{roc.val_at(far):.3f}", (far, roc.val_at(far)), (6, -14), textcoords="offset points")
        axes.set(
            xscale="log", xlim=(0.5 / impostors, 1), ylim=(0, 1.02),
            xlabel="FAR: different-person pairs accepted", ylabel="VAL: same-person pairs accepted",
        )  # fmt: skip

    return _svg(draw)


def det_plot(roc: Roc, genuine: int, impostors: int) -> str:
    """The errors of both kinds against each other (DET), both axes logarithmic."""

    def draw(axes: Axes) -> None:
        least = (0.5 / impostors, 0.5 / genuine)
        axes.step(np.maximum(roc.far, least[0]), np.maximum(1 - roc.val, least[1]), where="post", color=GENUINE)
        axes.plot(roc.equal_error_rate, roc.equal_error_rate, "o", color=ACCENT)
        axes.annotate(
            f"equal error rate {roc.equal_error_rate:.3f}", (roc.equal_error_rate,) * 2, (6, 6),
            textcoords="offset points",
        )  # fmt: skip
        axes.set(
            xscale="log", yscale="log", xlim=(least[0], 1), ylim=(least[1], 1),
            xlabel="FAR: different-person pairs accepted", ylabel="1 - VAL: same-person pairs refused",
        )  # fmt: skip

    return _svg(draw)


def distance_plot(genuine: NDArray[np.float64], impostor: NDArray[np.float64], space: Space) -> str:
    """How far apart same-person and different-person pairs lie, and where the card's threshold cuts."""

    def draw(axes: Axes) -> None:
        bins = np.linspace(0, max(float(genuine.max()), float(impostor.max())), 60).tolist()
        axes.hist(genuine, bins, density=True, alpha=0.7, color=GENUINE, label="same person")
        axes.hist(impostor, bins, density=True, alpha=0.5, color=IMPOSTOR, hatch="///", label="different people")
        axes.axvline(space.threshold(), color=ACCENT, linestyle="--", label=f"threshold at FAR {space.far:g}")
        axes.set(xlabel="squared distance", ylabel="density")
        axes.legend(frameon=False)

    return _svg(draw)


def probability_plot(genuine: NDArray[np.float64], impostor: NDArray[np.float64], space: Space) -> str:
    """The card's probability of 'same person' over the distance, and what these pairs were."""

    def draw(axes: Axes) -> None:
        top = max(float(genuine.max()), float(impostor.max()))
        grid = np.linspace(0, top, 200)
        axes.plot(grid, space.probability(grid), color=GENUINE, label="the card says")
        edges = np.linspace(0, top, 13)
        # Shares of each kind per bin, so that both kinds weigh the same, as in the card's even odds.
        same = np.histogram(genuine, edges)[0] / len(genuine)
        other = np.histogram(impostor, edges)[0] / len(impostor)
        seen = same + other > 0
        centres = (edges[:-1] + edges[1:]) / 2
        axes.plot(
            centres[seen],
            (same / np.maximum(same + other, 1e-12))[seen],
            "o",
            color=IMPOSTOR,
            label="these pairs were",
        )
        axes.set(xlabel="squared distance", ylabel="probability of 'same person'", ylim=(-0.02, 1.02))
        axes.legend(frameon=False)

    return _svg(draw)


def space_map(embeddings: NDArray[np.float32], labels: NDArray[np.int64], people: Sequence[str], seed: int) -> str:
    """The space in two dimensions (t-SNE): one mark a face, one colour and shape a person."""
    perplexity = min(15.0, (len(embeddings) - 1) / 3)
    # scikit-learn's cosine distance orders points of the unit sphere as the squared Euclidean one does.
    points = TSNE(perplexity=perplexity, metric="cosine", init="random", random_state=seed).fit_transform(embeddings)

    def draw(axes: Axes) -> None:
        for person, name in enumerate(people):
            own = points[labels == person]
            if not len(own):
                continue
            colour, marker = PALETTE[person % len(PALETTE)], MARKERS[person % len(MARKERS)]
            axes.scatter(own[:, 0], own[:, 1], s=36, edgecolors="white", linewidths=0.6, color=colour, marker=marker)
            axes.annotate(name.replace("$", r"\$"), np.median(own, axis=0), fontsize=10, fontweight="bold")
        axes.set(xticks=[], yticks=[])

    return _svg(draw, (8, 6))


def _svg(draw: Callable[[Axes], object], size: tuple[float, float] = (6, 4)) -> str:
    # With a fixed salt and no date the same figures give the same file.
    with mpl.rc_context({"svg.hashsalt": "facespace", "svg.fonttype": "path", "font.size": 11}):
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots()
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        draw(axes)
        target = io.StringIO()
        figure.savefig(target, format="svg", metadata={"Date": None, "Creator": None})
    return target.getvalue()
