"""How the plots of the documentation look: each is drawn twice, for light pages and for dark ones."""

from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

PICTURES = Path(__file__).parents[1] / "pictures"

_LIGHT = {"ink": "#22262b", "soft": "#8a9099", "same": "#0b7a75", "other": "#c2570c", "third": "#5b4bb5"}
_DARK = {"ink": "#e4e7eb", "soft": "#7d848e", "same": "#4cc9c0", "other": "#f0934e", "third": "#a99cf5"}

Colours = dict[str, str]


def draw(name: str, plot: Callable[[Axes, Colours], None], height: float = 3.4) -> None:
    """Write NAME-light.svg and NAME-dark.svg; the same numbers give the same bytes."""
    for scheme, colours in (("light", _LIGHT), ("dark", _DARK)):
        look = {
            "svg.hashsalt": name,
            "svg.fonttype": "none",
            "font.family": "sans-serif",
            "font.sans-serif": ["system-ui", "Helvetica", "Arial", "DejaVu Sans"],
            "font.size": 11,
            "text.color": colours["ink"],
            "axes.labelcolor": colours["ink"],
            "axes.edgecolor": colours["soft"],
            "xtick.color": colours["soft"],
            "ytick.color": colours["soft"],
            "xtick.labelcolor": colours["ink"],
            "ytick.labelcolor": colours["ink"],
            "axes.spines.top": False,
            "axes.spines.right": False,
            "legend.frameon": False,
            "path.simplify": True,
            "path.simplify_threshold": 0.3,
        }
        with mpl.rc_context(look):
            figure, axes = plt.subplots(figsize=(7.2, height))
            plot(axes, colours)
            figure.tight_layout()
            PICTURES.mkdir(exist_ok=True)
            figure.savefig(PICTURES / f"{name}-{scheme}.svg", transparent=True, metadata={"Date": None})
            plt.close(figure)
