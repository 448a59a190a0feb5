"""Training faces, prepared as the exported model will prepare them, with a margin for augmentation."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facespace.errors import DataError
from facespace.faces import CROPS, DEFAULT_DETECTOR, DETECTORS, find_faces
from facespace.images import resize
from facespace.metric import normalise
from facespace.train.data import aligned
from facespace.train.data.aligned import layout_for
from facespace.train.data.cache import decoded, default_cache
from facespace.train.data.people import person_means
from facespace.train.data.sources import Source, joined, source_of

DETECTOR, CROP = "whole-photo", "box"
# The detector that each crop is used with.
DETECTOR_OF_CROP = {CROP: DETECTOR, aligned.CROP: DEFAULT_DETECTOR}

Warn = Callable[[str], None]


class Rows:
    """A lazy selection of rows of an array; rows are copied only when indexed.

    Indexing along the first axis works as for the array of the selected rows.
    """

    def __init__(self, array: NDArray[np.uint8], rows: NDArray[np.int64]):
        self._array, self._rows = array, rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, which: slice | NDArray[np.int64] | NDArray[np.bool_]) -> NDArray[np.uint8]:
        return np.asarray(self._array[self._rows[which]])

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array of the selected rows."""
        return (len(self._rows), *self._array.shape[1:])

    def of(self, which: NDArray[np.bool_]) -> "Rows":
        """Select some of these rows by a boolean mask."""
        return Rows(self._array, self._rows[which])


@dataclass(frozen=True)
class FaceSet:
    """Faces and the people they belong to.

    pixels : uint8, shape (n, height + 2 margin, width + 2 margin, 3), RGB; in memory or memory-mapped, read by
        indexing the first axis
    labels : int64, shape (n,), index into `people`
    people : names, in the order of the labels
    margin : pixels on each side outside the network's input; augmentation moves the crop within them
    size : (width, height) of the network's input if it is larger than the stored faces, else None
    crop : name of the crop that makes such faces from photos
    photos : name of each face's photo in the source; empty if unknown
    teacher : float32, shape (n, t), of any norm: another network's embeddings of the same faces, or None
    """

    pixels: NDArray[np.uint8] | Rows
    labels: NDArray[np.int64]
    people: tuple[str, ...]
    margin: int = 0
    size: tuple[int, int] | None = None
    crop: str = CROP
    teacher: NDArray[np.float32] | None = None
    photos: tuple[str, ...] = ()

    def of(self, people: NDArray[np.int64]) -> "FaceSet":
        """Return the faces of some people only, relabelled from 0 in the given order."""
        renumbered = np.full(len(self.people), -1)
        renumbered[people] = np.arange(len(people))
        kept = renumbered[self.labels] >= 0
        return replace(
            self,
            pixels=self.pixels.of(kept) if isinstance(self.pixels, Rows) else self.pixels[kept],
            labels=renumbered[self.labels[kept]],
            people=tuple(self.people[person] for person in people),
            teacher=None if self.teacher is None else self.teacher[kept],
            photos=tuple(itertools.compress(self.photos, kept)),
        )

    @property
    def input_size(self) -> tuple[int, int]:
        """(width, height) of the network's input, in pixels."""
        height, width = self.pixels.shape[1:3]
        return self.size or (width - 2 * self.margin, height - 2 * self.margin)

    def crops(self, which: slice | NDArray[np.int64] = slice(None)) -> NDArray[np.uint8]:
        """Return faces as the exported model will see them, without the margin.

        Parameters
        ----------
        which : indices of faces; by default all, which for a large set may not fit in memory

        Returns
        -------
        ndarray of uint8, shape (k, height, width, 3)
        """
        chosen, m = self.pixels[which], self.margin
        inner = chosen[:, m : chosen.shape[1] - m, m : chosen.shape[2] - m]
        if self.size is None:
            return inner
        return np.stack([resize(face, *self.size) for face in inner])


def read_faces(
    path: Path,
    width: int,
    height: int,
    warn: Warn = lambda message: None,
    cache: Path | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    more: Sequence[Path] = (),
) -> FaceSet:
    """Read a data set: a folder of people, or aligned faces with a table (see `source_of`).

    Large sets are decoded once into a file in the cache folder and memory-mapped.

    Parameters
    ----------
    path : path
    width, height : int
        Input size of the network in pixels. Aligned faces are scaled down to it once, here, and keep the scaled
        margin; they are not enlarged here.
    warn : callable
        Called with a message for each photo that cannot be used and is skipped.
    cache : path or None
        Folder for decoded faces; None uses the user's cache folder.
    progress : callable
        Called with the number of decoded photos and the total.
    more : paths
        Further sources of the same kind, joined into one set.

    Raises
    ------
    DataError
        There is no data set at `path`, it contains no usable photo, the cache cannot be written, or aligned faces do
        not cover the input shape.
    """
    source = joined([source_of(path), *map(source_of, more)])
    layout = layout_for(width, height) if source.aligned else None
    shape = layout.shape if layout else (height, width)
    pixels, kept, left_out = decoded(
        source,
        shape,
        layout.face if layout else partial(_whole_photo, width, height),
        cache or default_cache(),
        progress,
    )
    for message in left_out:
        warn(f"skipped: {message}")
    if not len(kept):
        raise DataError(f"no photo under {path} can be used; see the messages above")
    persons = [source.entries[row].person for row in kept]
    people = tuple(dict.fromkeys(persons))
    number = {name: label for label, name in enumerate(people)}
    faces = FaceSet(
        Rows(pixels, kept) if isinstance(pixels, np.memmap) else pixels[kept],
        np.array([number[name] for name in persons], np.int64),
        people,
        teacher=_teacher(source, kept),
        photos=tuple(source.entries[row].name for row in kept),
    )
    if layout is None:
        return faces
    return replace(faces, margin=layout.margin, size=layout.size, crop=aligned.CROP)


def split_people(faces: FaceSet, validation_people: int, seed: int) -> tuple[FaceSet, FaceSet | None]:
    """Split off a random set of validation people, whose faces are never trained on.

    Returns
    -------
    train, validation
        `validation` is None for 0 people.

    Raises
    ------
    DataError
        Either part would have fewer than two people.
    """
    if validation_people == 0:
        return faces, None
    if validation_people < 2 or len(faces.people) - validation_people < 2:
        raise DataError(
            f"cannot set {validation_people} of {len(faces.people)} people aside for validation: "
            "training and validation need at least two people each"
        )
    order = np.random.default_rng([seed, 0]).permutation(len(faces.people))
    return (
        faces.of(np.sort(order[validation_people:])),
        faces.of(np.sort(order[:validation_people])),
    )


def without_doubtful_names(faces: FaceSet, limit: float) -> FaceSet:
    """Relabel faces that the teacher places far from their person: each becomes a person of its own.

    Parameters
    ----------
    faces : FaceSet
        Must have the teacher's embeddings.
    limit : float
        Squared distance between a face and the mean of its person's other faces, both normalised, above which the
        label counts as wrong.

    Raises
    ------
    DataError
        The faces have no teacher.
    """
    if faces.teacher is None:
        raise DataError("data.label_limit needs a teacher's embedding of every face (teacher.npy next to the table)")
    points = normalise(faces.teacher)
    sums, own = person_means(points, faces.labels)
    counts = np.bincount(own)[own]
    others = sums[own] * counts[:, None] - points
    norms = np.linalg.norm(others, axis=1)
    distances = 2 - 2 * (others * points).sum(axis=1) / np.maximum(norms, 1e-12)
    doubtful = np.flatnonzero((counts > 1) & (distances > limit))
    labels = faces.labels.copy()
    labels[doubtful] = len(faces.people) + np.arange(len(doubtful))
    names = tuple(f"{faces.people[faces.labels[face]]}, doubtful {face}" for face in doubtful)
    return replace(faces, labels=labels, people=(*faces.people, *names))


def _whole_photo(width: int, height: int, photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
    (face,) = find_faces(photo, DETECTORS[DETECTOR](), CROPS[CROP], width, height)
    return face.pixels


def _teacher(source: Source, kept: NDArray[np.int64]) -> NDArray[np.float32] | None:
    """Return the teacher's embeddings of the kept faces, or None if some face has none."""
    rows = [source.entries[face].teacher_row for face in kept]
    if source.teacher is None or None in rows:
        return None
    try:
        table = np.load(source.teacher, allow_pickle=False)
        return np.asarray(table[np.array(rows, np.int64)], np.float32)
    except (OSError, ValueError, IndexError) as error:
        raise DataError(
            f"{source.teacher} does not match its table: {error}; it must have a row (d numbers) for each teacher_row"
        ) from None
