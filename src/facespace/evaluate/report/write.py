"""Gathers what the page shows, and writes it."""

import base64
import io
import os
import platform
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
from jinja2 import Environment, PackageLoader, StrictUndefined
from numpy.typing import NDArray

from facespace.errors import DataError
from facespace.evaluate.people import Evaluation, Search
from facespace.evaluate.report.plots import det_plot, distance_plot, probability_plot, roc_plot, space_map

# Pairs shown of each kind, searches shown, faces of a group shown.
SHOWN_PAIRS, SHOWN_SEARCHES, SHOWN_FACES = 6, 24, 60


@dataclass(frozen=True)
class PhotoPair:
    """Two faces with their distance."""

    a: str
    b: str
    names: str
    distance: float


def write_report(evaluation: Evaluation, path: Path, title: str, command: str) -> None:
    """Write the evaluation as one HTML file: no scripts, no network, photos inside.

    The photos are biometric data: the file is readable by its owner alone.

    Raises
    ------
    DataError
        The disk refused.
    """
    environment = Environment(
        loader=PackageLoader("facespace.evaluate.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("page.html.j2").render(**_contents(evaluation, title, command))
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.unlink(missing_ok=True)
        with os.fdopen(os.open(partial, os.O_CREAT | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
            file.write(page)
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise DataError(f"cannot write the report {path}: {error.strerror}") from None


def _contents(evaluation: Evaluation, title: str, command: str) -> dict[str, object]:
    v, faces, space = evaluation.verification, evaluation.faces, evaluation.space
    plots = {
        "roc": roc_plot(v.roc, len(v.impostor), list(v.val)),
        "det": det_plot(v.roc, len(v.genuine), len(v.impostor)),
        "distances": distance_plot(v.genuine, v.impostor, space),
        "probability": probability_plot(v.genuine, v.impostor, space),
        "map": space_map(faces.embeddings, faces.labels, faces.people, seed=0),
    }
    return {
        "title": title,
        "command": command,
        "rows": evaluation.rows(),
        "untold": v.untold,
        # As images: inside the page itself, the parts of several plots would share their names.
        "plots": {name: _data_uri("image/svg+xml", svg.encode()) for name, svg in plots.items()},
        "pairs": _pairs(evaluation),
        "threshold": space.threshold(),
        "far": space.far,
        "searches": _searches(evaluation),
        "all_searches": len(evaluation.searches),
        "enrolled": evaluation.enrolled,
        "groups": _groups(evaluation),
        "grouping": evaluation.grouping,
        "cut": space.clustering,
        "card": space.card,
        "failures": evaluation.failures,
        "people": len(faces.people),
        "photos": len(faces.photos),
        "seconds": evaluation.seconds,
        "versions": {
            "Python": platform.python_version(),
            **{name: version(name) for name in ("facespace", "onnxruntime", "numpy")},
        },
    }


def _pairs(evaluation: Evaluation) -> dict[str, list[PhotoPair]]:
    """The rightest and the wrongest pairs of both kinds, by distance."""
    v, faces = evaluation.verification, evaluation.faces
    order = np.argsort(v.distances, kind="stable")
    same, other = order[v.pairs.same[order]], order[~v.pairs.same[order]]

    def shown(indices: NDArray[np.int64]) -> list[PhotoPair]:
        found = []
        for index in indices[:SHOWN_PAIRS]:
            a, b = int(v.pairs.a[index]), int(v.pairs.b[index])
            names = dict.fromkeys(faces.people[faces.labels[face]] for face in (a, b))
            found.append(
                PhotoPair(_uri(faces.pixels[a]), _uri(faces.pixels[b]), " and ".join(names), float(v.distances[index]))
            )
        return found

    return {
        "Same person, nearest (rightest)": shown(same),
        "Different people, farthest (rightest)": shown(other[::-1]),
        "Same person, farthest (wrongest)": shown(same[::-1]),
        "Different people, nearest (wrongest)": shown(other),
    }


def _searches(evaluation: Evaluation) -> list[dict[str, object]]:
    """Searches of the gallery: the wrong ones first, then the hardest of the right ones."""
    faces = evaluation.faces
    first = {name: int(np.argmax(faces.labels == person)) for person, name in enumerate(faces.people)}

    def right(search: Search) -> bool:
        truth = faces.people[faces.labels[search.probe]]
        return search.answer.person == (truth if search.mated else None)

    def margin(search: Search) -> float:
        return abs(search.answer.candidates[0].distance - search.answer.threshold)

    shown = []
    for search in sorted(evaluation.searches, key=lambda s: (right(s), margin(s)))[:SHOWN_SEARCHES]:
        truth, best = faces.people[faces.labels[search.probe]], search.answer.candidates[0]
        shown.append(
            {
                "right": right(search),
                "probe": _uri(faces.pixels[search.probe]),
                "best": _uri(faces.pixels[first[best.name]]),
                "truth": truth if search.mated else f"{truth}, a stranger",
                "candidate": best.name,
                "distance": best.distance,
                "probability": best.probability,
                "answer": search.answer.person or "nobody we know",
            }
        )
    return shown


def _groups(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Each group as a contact sheet; a face that is not of the group's most frequent person is marked."""
    faces = evaluation.faces
    shown: list[dict[str, Any]] = []
    for group in range(int(evaluation.groups.max()) + 1):
        members = np.flatnonzero(evaluation.groups == group)
        people, counts = np.unique(faces.labels[members], return_counts=True)
        main = people[counts.argmax()]
        shown.append(
            {
                "size": len(members),
                "main": faces.people[main],
                "of": int((faces.labels == main).sum()),
                "wrong": int((faces.labels[members] != main).sum()),
                "faces": [
                    {
                        "uri": _uri(faces.pixels[face]),
                        "name": faces.people[faces.labels[face]],
                        "wrong": bool(faces.labels[face] != main),
                    }
                    for face in members[:SHOWN_FACES]
                ],
            }
        )
    return sorted(shown, key=lambda group: group["size"], reverse=True)


def _uri(pixels: NDArray[np.uint8]) -> str:
    target = io.BytesIO()
    PIL.Image.fromarray(pixels).save(target, "WEBP", quality=85)
    return _data_uri("image/webp", target.getvalue())


def _data_uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
