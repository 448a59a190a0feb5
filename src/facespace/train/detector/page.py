"""Report of a detector's training run as one HTML page: figures, curves and detections on validation photos.

Needs the extra `report`.
"""

from pathlib import Path

import numpy as np
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from torch import nn

from facespace.evaluate.report.pictures import data_uri, photo_uri
from facespace.evaluate.report.plots import svg
from facespace.evaluate.report.write import versions, write_privately
from facespace.faces import FaceCrop, draw_faces
from facespace.images import resize
from facespace.train.detector.data import DetectorData
from facespace.train.detector.recipe import DetectorRecipe
from facespace.train.detector.validate import kept_boxes, maps_of
from facespace.train.engine.history import read_history
from facespace.train.report.curves import Curve, all_curves

# Validation photos shown, and their longest side.
SHOWN, SIDE = 12, 480

CURVES = (
    Curve("Loss", "The weighted sum of the three parts of the loss.", {"loss": "loss"}),
    Curve(
        "Parts of the loss", "Scores of all cells; boxes and landmarks of the cells that are assigned to a face.",
        {"score": "score", "box": "box", "landmark": "landmarks"},
    ),
    Curve(
        "On the validation photos", "Average precision for faces of 10 pixels and more, and the share of those of 50 "
        "and more that are found.",
        {"precision": "average precision", "large_recall": "large faces found"}, marked=True,
    ),
    Curve("Landmarks", "Mean distance as a share of the face's size.", {"landmark_error": "error"}, marked=True),
    Curve("Learning rate", "According to the schedule.", {"rate": "rate"}),
)  # fmt: skip


def write_detector_page(run: Path, recipe: DetectorRecipe, network: nn.Module, data: DetectorData) -> Path:
    """Write RUN/training.html from the run's history and its network; returns its path.

    The page contains photos of people, so only its owner can read it.

    Raises
    ------
    DataError
        There is no history, or the page cannot be written.
    """
    records = [record for record in read_history(run / "history.jsonl") if "event" not in record]
    environment = Environment(
        loader=ChoiceLoader(
            [PackageLoader("facespace.train.detector", "."), PackageLoader("facespace.evaluate.report", ".")]
        ),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("detector.html.j2").render(
        recipe=recipe,
        parameters=sum(weight.numel() for weight in network.parameters()),
        photos=len(data.wild),
        portraits=0 if data.portraits is None else len(data.portraits),
        last=records[-1] if records else None,
        measured=[record for record in records if "precision" in record],
        seconds=sum(record.get("seconds", 0.0) for record in records),
        plots=[
            (title, words, data_uri("image/svg+xml", svg(figure).encode()))
            for title, words, figure in all_curves(records, [], CURVES)
        ],
        shown=_shown(network, data),
        versions=versions(),
    )
    path = run / "training.html"
    write_privately(path, page.encode())
    return path


def _shown(network: nn.Module, data: DetectorData) -> list[str]:
    if data.validation is None:
        return []
    look, shown = maps_of(network.eval()), []
    for number in np.linspace(0, len(data.validation) - 1, min(SHOWN, len(data.validation))).astype(int):
        pixels = data.validation.pixels(int(number))
        scale = min(1.0, SIDE / max(pixels.shape[:2]))
        small = resize(pixels, round(pixels.shape[1] * scale), round(pixels.shape[0] * scale))
        found = kept_boxes(look(pixels), 0.5)
        faces = [
            FaceCrop(tuple((box * scale).tolist()), points * scale, float(score), None, small[:1, :1])
            for box, points, score in zip(*found, strict=True)
        ]
        shown.append(photo_uri(draw_faces(small, faces)))
    return shown
