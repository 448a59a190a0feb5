"""Sweeps like the paper's tables 4 to 6: VAL against JPEG quality, pixels, dimension and training data.

Results are shown next to the paper's reported values. The paper uses other data (faces from the web, a test set of a
million), so only the shapes of the curves can be compared, not the values.
"""

import io
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import PIL.Image

from facespace.errors import DataError
from facespace.evaluate.cache import EmbeddingCache
from facespace.evaluate.embedding import Change, Preparation, embed_photos
from facespace.evaluate.evaluation import verify_embeddings
from facespace.evaluate.figures import power
from facespace.evaluate.metrics import Interval
from facespace.evaluate.protocols import Protocol
from facespace.images import Image, resize
from facespace.space import Space

# VAL at FAR 1e-3 as reported in the paper.
REPORTED: dict[str, dict[float, float]] = {
    "jpeg": {10: 0.673, 20: 0.814, 30: 0.839, 50: 0.855, 70: 0.861, 90: 0.865},
    "pixels": {1600: 0.378, 6400: 0.795, 14400: 0.845, 25600: 0.857, 65536: 0.864},
    "dim": {64: 0.868, 128: 0.879, 256: 0.877, 512: 0.856},
    "data": {2.6e6: 0.763, 26e6: 0.851, 52e6: 0.851, 260e6: 0.862},
}
LABELS = {
    "jpeg": "JPEG quality",
    "pixels": "pixels of the face",
    "dim": "dimension of the embedding",
    "data": "training photos",
}
REMINDER = (
    "The paper's values are reported on its own data and with its own networks: compare the trends of the two columns, "
    "not the values."
)

FAR = 1e-3
_ROUNDS = 500


@dataclass(frozen=True)
class Point:
    """A row of a sweep: the varied value, VAL with its interval, accuracy, and a remark."""

    x: float
    val: Interval
    accuracy: float
    note: str = ""


@dataclass(frozen=True)
class Sweep:
    """VAL at one FAR against a property.

    what : 'jpeg', 'pixels', 'dim' or 'data'
    far : the FAR of every VAL
    points : sorted by the varied value
    protocol, model : descriptions
    """

    what: str
    far: float
    points: tuple[Point, ...]
    protocol: str
    model: str

    @property
    def reminder(self) -> str:
        """How to read the comparison with the paper."""
        other = "" if self.far == FAR else f" The paper's FAR is 1e-3; these pairs allow only {power(self.far)}."
        return REMINDER + other

    @property
    def columns(self) -> list[str]:
        """Column headings of `rows`."""
        return [
            LABELS[self.what],
            f"VAL at FAR {power(self.far)}",
            "95 % interval",
            "accuracy",
            "the paper, as reported",
            "",
        ]

    def rows(self) -> list[list[str]]:
        """Return one row per value with our result, if any, and the paper's, if any."""
        reported = REPORTED[self.what]
        found = []
        for x in sorted({point.x for point in self.points} | reported.keys()):
            point = next((p for p in self.points if p.x == x), None)
            paper = f"{reported[x]:.3f}" if x in reported else ""
            if point is None:
                found.append([f"{x:,.0f}", "", "", "", paper, ""])
            else:
                between = f"{point.val.low:.4f} to {point.val.high:.4f}"
                found.append(
                    [f"{x:,.0f}", f"{point.val.value:.4f}", between, f"{point.accuracy:.4f}", paper, point.note]
                )
        return found

    def as_figures(self) -> dict[str, Any]:
        """Return the sweep as plain data."""
        return {
            "sweep": self.what,
            "far": self.far,
            "protocol": self.protocol,
            "model": self.model,
            "points": [
                {
                    "x": point.x,
                    "val": [point.val.value, point.val.low, point.val.high],
                    "accuracy": point.accuracy,
                    "note": point.note,
                }
                for point in self.points
            ],
            "reported": {f"{x:g}": value for x, value in REPORTED[self.what].items()},
            "reminder": self.reminder,
        }


def sweep_faces(
    what: str,
    protocol: Protocol,
    space: Space,
    preparation: Preparation | None = None,
    cache: EmbeddingCache | None = None,
    seed: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> Sweep:
    """Measure VAL against JPEG quality or number of pixels; every cropped face is changed before embedding.

    Parameters
    ----------
    what : 'jpeg' or 'pixels'
        'pixels' is the number of pixels of the whole crop, which is scaled down and back up to the network's input.
    protocol : Protocol
        A protocol with verification.
    space, preparation, cache, seed, on_progress
        See `evaluate`.
    """
    size = space.card.input
    values = sorted(REPORTED[what])
    points = []
    far = FAR
    for at, value in enumerate(values):
        as_it_is = what == "pixels" and value >= size.width * size.height
        change = None if as_it_is else Change(f"{what} {value:.0f}", _changer(what, value))
        prepare = replace(preparation or Preparation(), central=protocol.central, change=change)
        progress = None if on_progress is None else _part(on_progress, at, len(values))
        faces = embed_photos(space, protocol.photos, protocol.names, prepare, cache, progress)
        figures = verify_embeddings(protocol, faces.embeddings, faces.present, (FAR, 1e-2, 1e-1), seed, _ROUNDS)
        far = min(figures.val)
        note = f"unchanged: the network's input has {size.width * size.height:,} pixels" if as_it_is else ""
        points.append(Point(value, figures.val[far], figures.accuracy.value, note))
    return Sweep(what, far, tuple(points), protocol.words, f"{space.card.name} {space.card.version}")


def sweep_models(
    what: str,
    protocol: Protocol,
    spaces: Sequence[Space],
    preparation: Preparation | None,
    cache: Callable[[Space], AbstractContextManager[EmbeddingCache | None]],
    seed: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> Sweep:
    """Measure VAL against dimension or amount of training data, with one separately trained model per point.

    Parameters
    ----------
    what : 'dim' or 'data'
    protocol : Protocol
        A protocol with verification.
    spaces : sequence of Space
        Two or more.
    cache : callable
        Returns the cache of a space.
    preparation, seed, on_progress
        See `evaluate`.

    Raises
    ------
    DataError
        There is only one model, or a card does not state the number of training photos.
    """
    if len(spaces) < 2:
        raise DataError(f"the sweep {what!r} needs two or more models: MODEL --with OTHER --with ANOTHER")
    points, far = [], FAR
    prepare = replace(preparation or Preparation(), central=protocol.central)
    for at, space in enumerate(spaces):
        x = _of_model(what, space)
        progress = None if on_progress is None else _part(on_progress, at, len(spaces))
        with cache(space) as kept:
            faces = embed_photos(space, protocol.photos, protocol.names, prepare, kept, progress)
        figures = verify_embeddings(protocol, faces.embeddings, faces.present, (FAR, 1e-2, 1e-1), seed, _ROUNDS)
        far = min(figures.val)
        points.append(Point(x, figures.val[far], figures.accuracy.value, f"{space.card.name} {space.card.version}"))
    points.sort(key=lambda point: point.x)
    return Sweep(what, far, tuple(points), protocol.words, f"{len(spaces)} models")


def _changer(what: str, value: float) -> Callable[[Image], Image]:
    def as_jpeg(face: Image) -> Image:
        target = io.BytesIO()
        PIL.Image.fromarray(face).save(target, "JPEG", quality=int(value))
        return np.array(PIL.Image.open(target))

    def with_pixels(face: Image) -> Image:
        height, width = face.shape[:2]
        scale = (value / (height * width)) ** 0.5
        small = resize(face, max(1, round(width * scale)), max(1, round(height * scale)))
        return resize(small, width, height)

    return as_jpeg if what == "jpeg" else with_pixels


def _of_model(what: str, space: Space) -> float:
    if what == "dim":
        return float(space.dimension)
    if space.card.training is None:
        raise DataError(
            f"the card of {space.card.name!r} does not state the number of training photos, so the model cannot be "
            "part of this sweep"
        )
    return float(space.card.training.photos)


def _part(on_progress: Callable[[int, int], None], at: int, parts: int) -> Callable[[int, int], None]:
    return lambda done, total: on_progress(at * total + done, parts * total)
