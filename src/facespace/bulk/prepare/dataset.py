"""Prepare a training set from a folder of people: detect, align, remove duplicates and errors, split, write."""

import csv
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from facespace.bulk import Source, harvest, sources_in
from facespace.bulk.harvest import writing
from facespace.bulk.prepare.records import Prepared
from facespace.bulk.prepare.select import (
    BYSTANDER,
    DUPLICATE,
    FEW,
    STRANGER,
    Candidate,
    Decision,
    duplicates,
    main_faces,
    small_form,
    strangers,
)
from facespace.errors import DataError
from facespace.faces import DEFAULT_DETECTOR, DETECTORS, Finder
from facespace.faces.align import TemplateCrop
from facespace.files import replacing
from facespace.images import Skipped, mark_as_output, people_in, read_image, text_of
from facespace.space import Space

SIDE, MARGIN = 128, 8
TEMPLATE_EYES = 35.24
COLUMNS = ("path", "person", "split", "source", "scale", "teacher_row", "photo", "quality", "eye_distance")
QUALITY = 90


def prepare(
    folder: str | os.PathLike[str],
    out: str | os.PathLike[str],
    space: Space | None = None,
    validation: float = 0.1,
    seed: int = 0,
    min_faces: int = 2,
    workers: int | None = None,
    on_photo: Callable[[dict[str, Any]], None] = lambda row: None,
    truncated: bool = False,
) -> Prepared:
    """Turn FOLDER/PERSON/photo into a training set of aligned faces.

    The output has `train` and `val` with PERSON/NUMBER.webp (128x128 pixels: the template 'arcface-112' with a margin
    of 8 pixels) and the table `faces.csv`. If it is interrupted, call it again to continue.

    Parameters
    ----------
    folder, out : paths
    space : Space or None
        With a model, the person's face is selected in a photo of several, and photos that look like somebody else are
        left out. The model must accept aligned faces: load(model, detector='aligned-128').
    validation : float
        Fraction of the people in the validation set. The name and the seed decide who, so adding people later does
        not move others.
    seed : int
    min_faces : int
        People with fewer faces are left out, because triplets need two.
    workers : int or None
        As for `find_stream`.
    on_photo : callable
        Called with the row of each finished photo.
    truncated : bool
        Accept JPEG files that end too early.

    Raises
    ------
    DataError
        There are no people, the output has a training set already, or no faces are left.
    """
    folder, out = Path(folder), Path(out)
    if (out / "faces.csv").exists():
        raise DataError(f"{out} has a training set already; name another folder, or remove it")
    skipped: list[Skipped] = []
    people = people_in(folder, skipped.append)
    work = out / ".work"
    with writing(out):
        # The output folder may be inside the folder of photos.
        mark_as_output(out)
    rows = _found(folder, work, workers, on_photo, truncated)
    candidates, failures = _candidates(rows, people)
    decisions = {person: _decide(own, work / "crops", space) for person, own in candidates.items()}
    for person, own in decisions.items():
        kept = [decision for decision in own if decision.reason is None]
        if len(kept) < min_faces:
            decisions[person] = [Decision(decision.candidate, decision.reason or FEW) for decision in own]
    with writing(out):
        written = _write(decisions, work / "crops", out, text_of(folder.name), validation, seed)
    from facespace.bulk.prepare.page import write_page

    counts = {split: [row for row in written if row["split"] == split] for split in ("train", "val")}
    prepared = Prepared(
        people={split: len({row["person"] for row in own}) for split, own in counts.items()},
        faces={split: len(own) for split, own in counts.items()},
        decisions=decisions,
        failures=failures,
        skipped=tuple(skipped),
    )
    with writing(out):
        write_page(out / "summary.html", prepared, written, work / "crops")
        # The table is written last: if it exists, the set is complete.
        _write_table(out / "faces.csv", written)
        shutil.rmtree(work)
    return prepared


def _found(
    folder: Path, work: Path, workers: int | None, on_photo: Callable[[dict[str, Any]], None], truncated: bool
) -> Path:
    done = work / "faces.jsonl"
    if not done.exists():
        crop = TemplateCrop("arcface-112", margin=MARGIN / 112)
        finder = Finder(DETECTORS[DEFAULT_DETECTOR](), crop, SIDE, SIDE, truncated=truncated)
        harvest(_of_people(folder), done, finder, work / "crops", workers, on_photo)
    return done


def _of_people(folder: Path) -> Iterator[Source]:
    """List the photos in people's folders; photos outside of them are ignored."""
    return (source for source in sources_in(folder) if "/" in source.name)


def _candidates(rows: Path, people: dict[str, list[Path]]) -> tuple[dict[str, list[Candidate]], dict[str, str]]:
    candidates: dict[str, list[Candidate]] = {text_of(person): [] for person in people}
    failures: dict[str, str] = {}
    with rows.open(encoding="utf-8") as file:
        next(file)
        for line in file:
            row = json.loads(line)
            if not row["faces"]:
                failures[row["photo"]] = row.get("failure", "no face found")
            for face in row["faces"]:
                candidates[row["photo"].split("/")[0]].append(
                    Candidate(
                        row["photo"],
                        face["crop"],
                        tuple(face["box"]),
                        face["score"],
                        face["quality"]["value"],
                        face["quality"]["eye_distance"],
                    )
                )
    return candidates, failures


def _decide(candidates: list[Candidate], crops: Path, space: Space | None) -> list[Decision]:
    if not candidates:
        return []
    faces = [read_image(crops / candidate.crop) for candidate in candidates]
    points = None if space is None else space.embed(faces)
    chosen = main_faces(candidates, points)
    reasons = dict.fromkeys(set(range(len(candidates))) - set(chosen.tolist()), BYSTANDER)
    if points is not None and space is not None:
        loosest = max(entry.threshold for entry in space.card.require_decisions().thresholds)
        looks_other = strangers(points[chosen], loosest)
        reasons.update({int(index): STRANGER for index in chosen[looks_other]})
        chosen = chosen[~looks_other]
    forms = np.stack([small_form(faces[index]) for index in chosen]) if len(chosen) else np.empty((0, 256), np.float32)
    better_of = duplicates(forms, np.array([candidates[index].quality for index in chosen]))
    for index, better in better_of.items():
        reasons[int(chosen[index])] = f"{DUPLICATE} {candidates[chosen[better]].photo}"
    return [Decision(candidate, reasons.get(index)) for index, candidate in enumerate(candidates)]


def _write(
    decisions: dict[str, list[Decision]], crops: Path, out: Path, name: str, validation: float, seed: int
) -> list[dict[str, Any]]:
    written: list[dict[str, Any]] = []
    for person, own in decisions.items():
        split = "val" if _share(person, seed) < validation else "train"
        kept = [decision.candidate for decision in own if decision.reason is None]
        for number, candidate in enumerate(kept, start=1):
            path = out / split / person / f"{number:04}.webp"
            path.parent.mkdir(parents=True, exist_ok=True)
            _save(read_image(crops / candidate.crop), path)
            written.append(
                {
                    "path": path.relative_to(out).as_posix(),
                    "person": person,
                    "split": split,
                    "source": name,
                    "scale": round(TEMPLATE_EYES / candidate.eye_distance, 3),
                    "teacher_row": "",
                    "photo": candidate.photo,
                    "quality": candidate.quality,
                    "eye_distance": candidate.eye_distance,
                }
            )
    if not written:
        raise DataError("no face is left to train on; look at the reasons and at some of the photos")
    return written


def _share(person: str, seed: int) -> float:
    """Map the name and the seed to a number from 0 to 1."""
    digest = hashlib.sha256(f"{seed}/{person}".encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8]) / 2**64


def _save(face: NDArray[np.uint8], path: Path) -> None:
    PIL.Image.fromarray(face).save(path, quality=QUALITY, method=4)


def _write_table(path: Path, rows: list[dict[str, Any]]) -> None:
    with replacing(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        table.writerows(rows)
