"""The three answers measured on a folder of people whom the network never saw."""

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from facespace.cluster import agglomerative
from facespace.embed import Space
from facespace.errors import DataError, ImageError, NoFaceError
from facespace.evaluate.grouping import GroupingFigures, grouping
from facespace.evaluate.identification import (
    IdentificationFigures,
    identification,
    leave_one_out_rank1,
    one_photo_rank1,
)
from facespace.evaluate.intervals import Interval
from facespace.evaluate.verification import VerificationFigures, verification
from facespace.gallery import Gallery, Identification
from facespace.images import Image, people_in


@dataclass(frozen=True)
class PeopleFaces:
    """The embedded faces of a folder of people.

    photos : path of each
    pixels : each face as the network saw it, uint8, shape (n, h, w, 3)
    labels : int64, shape (n,), index into `people`
    people : names
    embeddings : float32, shape (n, d)
    failures : a message for each photo that could not be used
    """

    photos: tuple[Path, ...]
    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    people: tuple[str, ...]
    embeddings: NDArray[np.float32]
    failures: tuple[str, ...]


@dataclass(frozen=True)
class Search:
    """A probe and the gallery's answer: index of the face searched for, whether that person is enrolled."""

    probe: int
    mated: bool
    answer: Identification


@dataclass(frozen=True)
class FigureRow:
    """A line of the figure table: value and interval as text, what it counts, what it means."""

    name: str
    value: str
    interval: str | None
    of: str
    meaning: str


@dataclass(frozen=True)
class Evaluation:
    """What a space answers about a folder of people.

    enrolled : names of the people in the gallery of the open-set search; the others are strangers
    rank1_one_photo : closed set, one photo of everybody enrolled, the rest searched
    rank1 : each photo searched among all the others
    groups : int64, shape (n,), the group of each face
    seconds : of embedding and answering
    extra : further figures, such as train_seconds
    """

    space: Space
    faces: PeopleFaces
    verification: VerificationFigures
    enrolled: tuple[str, ...]
    searches: tuple[Search, ...]
    identification: IdentificationFigures
    rank1: Interval
    rank1_one_photo: Interval
    groups: NDArray[np.int64]
    grouping: GroupingFigures
    seconds: float
    extra: dict[str, float] = field(default_factory=dict)

    @property
    def failures(self) -> tuple[str, ...]:
        """A message for each photo that could not be used."""
        return self.faces.failures

    def intervals(self) -> dict[str, Interval]:
        """The figures that have an interval, by the name that figures.json gives them."""
        v, i = self.verification, self.identification
        return {
            "auc": v.auc,
            "accuracy": v.accuracy,
            **{f"val_at_far_{_power(far)}": val for far, val in v.val.items()},
            "rank1": self.rank1,
            "rank1_one_photo": self.rank1_one_photo,
            "fpir": i.fpir,
            "fnir": i.fnir,
            "bcubed_f": self.grouping.bcubed_f,
        }

    def as_figures(self) -> dict[str, object]:
        """Plain numbers by name, and the intervals of those that have one."""
        told = self.intervals()
        v = self.verification
        return {
            **{name: figure.value for name, figure in told.items()},
            **self.extra,
            "equal_error_rate": v.equal_error_rate,
            "genuine_pairs": len(v.genuine),
            "impostor_pairs": len(v.impostor),
            "people": len(self.faces.people),
            "photos": len(self.faces.photos),
            "groups": self.grouping.groups,
            "failures": len(self.failures),
            "intervals": {name: [figure.low, figure.high] for name, figure in told.items()},
        }

    def rows(self) -> list[FigureRow]:
        """The figure table."""
        v, i, g = self.verification, self.identification, self.grouping
        pairs = f"{len(v.genuine):,} genuine, {len(v.impostor):,} impostor pairs"
        photos = f"{len(self.faces.photos)} photos of {len(self.faces.people)} people"
        strangers = len(self.faces.people) - len(self.enrolled)
        rows = [
            _row("ROC AUC", v.auc, pairs, "chance that a same-person pair is nearer than a different-person pair"),
            _row(
                "accuracy",
                v.accuracy,
                f"{len(v.fold_accuracy)} folds of people",
                "right decisions, threshold from other people",
            ),
            *(_row(f"VAL at FAR {far:g}", val, pairs, "same-person pairs accepted") for far, val in v.val.items()),
            _row("rank-1, rest enrolled", self.rank1, photos, "nearest other photo is of the same person"),
            _row(
                "rank-1, one photo enrolled",
                self.rank1_one_photo,
                photos,
                "nearest enrolled person is the right one",
            ),
            _row("FPIR", i.fpir, f"{i.strangers} photos of {strangers} strangers", "strangers taken for somebody"),
            _row(
                "FNIR",
                i.fnir,
                f"{i.mated} photos of {len(self.enrolled)} enrolled",
                "people we know not recognised",
            ),
            _row("BCubed F", g.bcubed_f, f"{g.groups} groups for {g.people} people", "how well groups match people"),
        ]
        for name, value in self.extra.items():
            rows.append(FigureRow(name.replace("_", " "), f"{value:.0f}", None, "", ""))
        return rows


def embed_people(space: Space, folder: str | os.PathLike[str]) -> PeopleFaces:
    """Embed the main face of every photo of a folder of people, FOLDER/PERSON/photo.

    Photos that cannot be used are counted, never silently dropped.

    Raises
    ------
    DataError
        No such folder, nobody in it, or no photo can be used.
    """
    photos: list[Path] = []
    pixels: list[Image] = []
    labels: list[int] = []
    failures: list[str] = []
    people = people_in(folder)
    for person, listed in enumerate(people.values()):
        for photo in listed:
            try:
                pixels.append(space.main_crop(photo))
            except (ImageError, NoFaceError) as error:
                failures.append(str(error))
                continue
            photos.append(photo)
            labels.append(person)
    if not photos:
        raise DataError(f"no photo under {folder} can be used: {failures[0]}")
    stacked = np.stack(pixels)
    return PeopleFaces(
        tuple(photos),
        stacked,
        np.asarray(labels, np.int64),
        tuple(people),
        space.engine.embed(stacked),
        tuple(failures),
    )


def evaluate_people(space: Space, folder: str | os.PathLike[str], seed: int = 0) -> Evaluation:
    """Measure verification, recognition and clustering on people the network was not trained on.

    Recognition: half the people (by seed) are enrolled with their first photo in a gallery file; their other
    photos and all photos of the rest are searched for, and the rest must come back as nobody we know.
    Clustering: all photos, cut where the model card says.

    Parameters
    ----------
    space : Space
    folder : path
        FOLDER/PERSON/photo.
    seed : int
        Of folds, bootstrap and of who is enrolled.

    Raises
    ------
    DataError
        Too few people or photos.
    ModelError
        The card does not say what a distance means.
    """
    started = time.perf_counter()
    faces = embed_people(space, folder)
    present = np.unique(faces.labels)
    enrolled = np.sort(np.random.default_rng(seed).permutation(present)[: (len(present) + 1) // 2])
    firsts = {int(person): int(np.argmax(faces.labels == person)) for person in present}
    searches = _search(space, faces, enrolled, firsts)
    truth = faces.labels[[search.probe for search in searches]]
    by_name = {name: person for person, name in enumerate(faces.people)}
    nearest = np.array([by_name[search.answer.candidates[0].name] for search in searches])
    cut = space.clustering
    groups = agglomerative(faces.embeddings, cut.threshold, cut.linkage)
    return Evaluation(
        space=space,
        faces=faces,
        verification=verification(faces.embeddings, faces.labels, seed=seed),
        enrolled=tuple(faces.people[person] for person in enrolled),
        searches=searches,
        identification=identification(
            truth, nearest, [search.answer.person is not None for search in searches], enrolled
        ),
        rank1=leave_one_out_rank1(faces.embeddings, faces.labels),
        rank1_one_photo=one_photo_rank1(faces.embeddings, faces.labels, list(firsts.values())),
        groups=groups,
        grouping=grouping(faces.labels, groups),
        seconds=time.perf_counter() - started,
    )


def _search(
    space: Space, faces: PeopleFaces, enrolled: NDArray[np.int64], firsts: dict[int, int]
) -> tuple[Search, ...]:
    """Enrol and search with a real gallery, in a file that goes when done."""
    known = set(enrolled.tolist())
    kept = {firsts[person] for person in known}
    with TemporaryDirectory() as folder, Gallery(Path(folder) / "gallery.db", space) as gallery:
        for person in known:
            gallery.enrol(faces.people[person], faces.photos[firsts[person]])
        return tuple(
            Search(probe, int(faces.labels[probe]) in known, gallery.identify(faces.photos[probe])[0])
            for probe in range(len(faces.photos))
            if probe not in kept
        )


def _row(name: str, figure: Interval, of: str, meaning: str) -> FigureRow:
    return FigureRow(name, f"{figure.value:.3f}", f"{figure.low:.3f} to {figure.high:.3f}", of, meaning)


def _power(far: float) -> str:
    """1e-2 as people write it, not as floats print."""
    return f"1e{round(np.log10(far))}"
