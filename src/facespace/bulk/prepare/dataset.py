"""Detect, align, fold, flag, split, write: from a folder of people to what the trainer reads."""

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
from facespace.faces import Finder, Mtcnn
from facespace.faces.align import TemplateCrop
from facespace.images import PassedOver, mark_as_output, people_in, read_image, text_of
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
    at_least: int = 2,
    workers: int | None = None,
    on_photo: Callable[[dict[str, Any]], None] = lambda row: None,
    truncated: bool = False,
) -> Prepared:
    """Turn FOLDER/PERSON/photo into a training set of aligned faces.

    The output holds `train` and `val` with PERSON/NUMBER.webp (128x128 pixels: the template 'arcface-112' with 8
    pixels all round) and the table `faces.csv`. Stopped and started again, it goes on.

    Parameters
    ----------
    folder, out : paths
    space : Space or None
        With a model, of several faces in a photo the person's is chosen, and photos that look like somebody
        else are left out. It must take aligned faces: load(model, detector='aligned-128').
    validation : float
        Share of the people set aside. Who is decided by name and seed, so people added later move nobody.
    seed : int
    at_least : int
        People with fewer faces are left out: triplets need two.
    workers : int or None
        As for `find_stream`.
    on_photo : callable
        Called with the row of each photo that is done.
    truncated : bool
        Take what is there of JPEG files that end too early.

    Raises
    ------
    DataError
        No people there, the output holds a set already, or nothing is left.
    """
    folder, out = Path(folder), Path(out)
    if (out / "faces.csv").exists():
        raise DataError(f"{out} holds a prepared set already; name another folder, or remove it")
    passed: list[PassedOver] = []
    people = people_in(folder, passed.append)
    work = out / ".work"
    with writing(out):
        # The set may lie among the photos it is made of.
        mark_as_output(out)
    rows = _found(folder, work, workers, on_photo, truncated)
    candidates, failures = _candidates(rows, people)
    decisions = {person: _decide(own, work / "crops", space) for person, own in candidates.items()}
    for person, own in decisions.items():
        kept = [decision for decision in own if decision.reason is None]
        if len(kept) < at_least:
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
        passed_over=tuple(passed),
    )
    with writing(out):
        write_page(out / "summary.html", prepared, written, work / "crops")
        # The table comes last: where it is, the set is whole.
        _write_table(out / "faces.csv", written)
        shutil.rmtree(work)
    return prepared


def _found(
    folder: Path, work: Path, workers: int | None, on_photo: Callable[[dict[str, Any]], None], truncated: bool
) -> Path:
    done = work / "faces.jsonl"
    if not done.exists():
        finder = Finder(Mtcnn(), TemplateCrop("arcface-112", margin=MARGIN / 112), SIDE, SIDE, truncated=truncated)
        harvest(_of_people(folder), done, finder, work / "crops", workers, on_photo)
    return done


def _of_people(folder: Path) -> Iterator[Source]:
    """Photos in folders of people; one that lies beside them belongs to nobody."""
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
    folded = duplicates(forms, np.array([candidates[index].quality for index in chosen]))
    for index, better in folded.items():
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
        raise DataError("no face is left to train on; see the reasons with a look at some of the photos")
    return written


def _share(person: str, seed: int) -> float:
    """A number from 0 to 1 that the name and the seed alone decide."""
    digest = hashlib.sha256(f"{seed}/{person}".encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8]) / 2**64


def _save(face: NDArray[np.uint8], path: Path) -> None:
    PIL.Image.fromarray(face).save(path, quality=QUALITY, method=4)


def _write_table(path: Path, rows: list[dict[str, Any]]) -> None:
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        table.writerows(rows)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
