"""The report of a training run as one HTML page: curves, rollbacks, time by part of a step, and current triplets.

Needs the extra `report`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from torch import nn

from facespace.evaluate.report.pictures import data_uri, photo_uri
from facespace.evaluate.report.plots import svg
from facespace.evaluate.report.write import versions, write_privately
from facespace.images import writable
from facespace.train.data.dataset import FaceSet
from facespace.train.data.sampling import IdentityBatches
from facespace.train.engine.history import read_history
from facespace.train.engine.validate import embed_all
from facespace.train.mining import mine, squared_distance_matrix
from facespace.train.networks import size_of
from facespace.train.optim.optimisers import hardness_at, margin_at
from facespace.train.recipe import Recipe
from facespace.train.report import curves

# Number of triplets shown, and the limit per anchor's person.
SHOWN, SHOWN_A_PERSON = 12, 1

# Parts of a step: keys of the history, and their labels.
PARTS = {
    "data_seconds": "waiting for faces",
    "search_seconds": "searching the pool",
    "embed_seconds": "embedding",
    "loss_seconds": "mining and loss",
    "backward_seconds": "gradient and step",
}


@dataclass(frozen=True)
class ShownTriplet:
    """An anchor, a positive and a negative as photos, with squared distances from the anchor."""

    anchor: str
    positive: str
    negative: str
    person: str
    other: str
    positive_distance: float
    negative_distance: float


def write_page(run: Path, recipe: Recipe, network: nn.Module, faces: FaceSet, command: str) -> Path:
    """Write RUN/training.html from a run's history and network.

    The page contains photos of training faces, which are biometric data, so only its owner can read the file.

    Parameters
    ----------
    run : path
        Folder of the run; its history.jsonl is read.
    recipe : Recipe
    network : nn.Module
        The trained network.
    faces : FaceSet
        The training faces.
    command : str
        The command that made the run, shown at the end of the page.

    Returns
    -------
    path
        The page.

    Raises
    ------
    DataError
        There is no history, or the page cannot be written.
    """
    records = read_history(run / "history.jsonl")
    kept, undone = split(records)
    rates = _rates(kept)
    environment = Environment(
        # All reports share the style sheet of the evaluation's report.
        loader=ChoiceLoader(
            [PackageLoader("facespace.train.report", "."), PackageLoader("facespace.evaluate.report", ".")]
        ),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    size = size_of(network, recipe.network.width, recipe.network.height)
    page = environment.get_template("training.html.j2").render(
        recipe=recipe,
        settings=_flat(recipe.model_dump(mode="json", exclude_defaults=True)),
        size=size,
        people=len(faces.people),
        photos=len(faces.labels),
        last=kept[-1] if kept else None,
        rates={far: measured[-1][0] for far, measured in rates.items()},
        best={far: max(measured) for far, measured in rates.items()},
        plots=[
            (title, words, data_uri("image/svg+xml", svg(figure).encode()))
            for title, words, figure in curves.all_curves(kept, undone)
        ],
        # Histories of earlier versions call it 'easing'.
        rollbacks=[
            {"hardness_scale": record.get("easing"), **record}
            for record in records
            if record.get("event") == "rollback"
        ],
        parts=time_by_part(kept),
        seconds=sum(record.get("seconds", 0.0) for record in (*kept, *undone)),
        triplets=shown_triplets(network, faces, recipe) if "active" in (kept or [{}])[-1] else [],
        command=command,
        versions=versions(),
    )
    path = run / "training.html"
    write_privately(path, writable(page).encode())
    return path


def split(records: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Split records into the steps that count and those undone by a rollback, both in order of time."""
    kept: list[dict[str, Any]] = []
    undone: list[dict[str, Any]] = []
    for record in records:
        if "event" not in record:
            kept.append(record)
            continue
        undone += [step for step in kept if step["step"] > record["to"]]
        kept = [step for step in kept if step["step"] <= record["to"]]
    return kept, undone


def time_by_part(kept: list[dict[str, Any]]) -> list[tuple[str, float, float]]:
    """Return the label, total seconds and share of time of each part of a step; the rest comes last."""
    total = sum(record.get("seconds", 0.0) for record in kept)
    parts = [(words, sum(record.get(name, 0.0) for record in kept)) for name, words in PARTS.items()]
    parts.append(("anything else", max(total - sum(seconds for _, seconds in parts), 0.0)))
    return [(words, seconds, seconds / max(total, 1e-9)) for words, seconds in parts]


def shown_triplets(network: nn.Module, faces: FaceSet, recipe: Recipe) -> list[ShownTriplet]:
    """Return triplets that the network would be trained on next, the hardest first, each of another person.

    They are mined in the batch after the last one by the recipe's online miner, without augmentation.
    """
    rows = IdentityBatches(faces.labels, recipe.batch.people, recipe.batch.photos, recipe.seed).batch(recipe.steps)
    device = next(network.parameters()).device
    distances = squared_distance_matrix(embed_all(network, faces, rows, device)).cpu()
    labels = torch.from_numpy(faces.labels[rows])
    mining, last = recipe.mining, recipe.steps - 1
    found = mine(
        mining.online, distances, labels, margin_at(recipe.loss, last, recipe.steps) or 0.0,
        hardness_at(mining, last, recipe.steps), mining.floor, mining.pairs,
        torch.Generator().manual_seed(recipe.seed), recipe.loss.plain_margin,
    )  # fmt: skip
    violations = distances[found.anchor, found.positive] - distances[found.anchor, found.negative]
    shown: list[ShownTriplet] = []
    seen: dict[int, int] = {}
    pixels = faces.crops(rows)
    for number in violations.argsort(descending=True).tolist():
        a, p, n = (int(indices[number]) for indices in (found.anchor, found.positive, found.negative))
        person = int(labels[a])
        if len(shown) == SHOWN:
            break
        if seen.get(person, 0) == SHOWN_A_PERSON:
            continue
        seen[person] = seen.get(person, 0) + 1
        shown.append(
            ShownTriplet(
                photo_uri(np.ascontiguousarray(pixels[a])),
                photo_uri(np.ascontiguousarray(pixels[p])),
                photo_uri(np.ascontiguousarray(pixels[n])),
                person=faces.people[person],
                other=faces.people[int(labels[n])],
                positive_distance=float(distances[a, p]),
                negative_distance=float(distances[a, n]),
            )
        )
    return shown


def _rates(kept: list[dict[str, Any]]) -> dict[str, list[tuple[float, int]]]:
    """Return every measured VAL with its step, in order, by FAR."""
    found: dict[str, list[tuple[float, int]]] = {}
    for record in kept:
        for key, value in record.items():
            if key.startswith("val_at_"):
                found.setdefault(key.removeprefix("val_at_"), []).append((value, int(record["step"])))
    return found


def _flat(values: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Flatten settings to pairs ('section.key', 'value')."""
    rows: list[tuple[str, str]] = []
    for key, value in values.items():
        rows += _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else [(f"{prefix}{key}", str(value))]
    return rows
