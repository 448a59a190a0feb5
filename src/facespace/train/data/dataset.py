"""The faces to learn from, prepared just as the finished space will prepare them, with a margin to move within."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facespace.errors import DataError
from facespace.faces import CROPS, DETECTORS, find_faces
from facespace.images import resize
from facespace.metric import normalise
from facespace.train.data import aligned
from facespace.train.data.aligned import layout_for
from facespace.train.data.cache import decoded, default_cache
from facespace.train.data.people import means_of_people
from facespace.train.data.sources import Source, joined, source_of

DETECTOR, CROP = "whole-photo", "box"
# What finds the faces of photos that are then cut so.
DETECTORS_OF_CROPS = {CROP: DETECTOR, aligned.CROP: "mtcnn"}

Say = Callable[[str], None]


class Rows:
    """Some rows of an array, in some order, without a copy until they are asked for.

    Indexed as the array of those rows would be, along the first axis.
    """

    def __init__(self, array: NDArray[np.uint8], rows: NDArray[np.int64]):
        self._array, self._rows = array, rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, which: slice | NDArray[np.int64] | NDArray[np.bool_]) -> NDArray[np.uint8]:
        return np.asarray(self._array[self._rows[which]])

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the rows taken together."""
        return (len(self._rows), *self._array.shape[1:])

    def of(self, which: NDArray[np.bool_]) -> "Rows":
        """Some of these rows."""
        return Rows(self._array, self._rows[which])


@dataclass(frozen=True)
class FaceSet:
    """Faces with their people.

    pixels : uint8, shape (n, height + 2 margin, width + 2 margin, 3), RGB; in memory or mapped from a file, and
        read by indexing the first axis
    labels : int64, shape (n,), index into `people`
    people : names, in the order of the labels
    margin : pixels on each side that the finished space will not see; augmentation moves the crop within them
    size : (width, height) of what the network takes, where that is larger than the faces are kept
    crop : name of the crop that makes such faces from photos
    photos : what each face's photo is called in the source; empty where nobody knows
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
        """The faces of some people only, relabelled from 0 in the order given."""
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
        """(width, height) of what the network takes."""
        height, width = self.pixels.shape[1:3]
        return self.size or (width - 2 * self.margin, height - 2 * self.margin)

    def crops(self, which: slice | NDArray[np.int64] = slice(None)) -> NDArray[np.uint8]:
        """Faces as the finished space will give them to the network: without the margin.

        Parameters
        ----------
        which : indices of faces; all where not given, which for a large set does not fit into memory

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
    warn: Say = lambda message: None,
    cache: Path | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    more: Sequence[Path] = (),
) -> FaceSet:
    """Read a data set: a folder of people, or aligned faces with their table (see `source_of`).

    Large sets are decoded once into a file in the cache folder and mapped from there.

    Parameters
    ----------
    path : path
    width, height : int
        Size of a face in pixels as the network takes it. Aligned faces are reduced to it once, here, by area,
        and keep what that leaves of their margin; they are never enlarged here.
    warn : callable
        Told of each photo that cannot be used and is left out.
    cache : path or None
        Folder for decoded faces; the user's cache folder where None.
    progress : callable
        Told how many photos of how many are decoded.
    more : paths
        Further sources of the same kind; the faces of all make one set.

    Raises
    ------
    DataError
        Nothing there, no people in it, no photo that can be used, the cache cannot be written, or aligned faces
        cannot be brought to that shape.
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
        warn(f"left out: {message}")
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
    """Set some people aside, by seed, whose faces are never trained on.

    Returns
    -------
    train, validation
        The second is None for 0 people.

    Raises
    ------
    DataError
        Fewer than two people would be left on either side.
    """
    if validation_people == 0:
        return faces, None
    if validation_people < 2 or len(faces.people) - validation_people < 2:
        raise DataError(
            f"cannot set {validation_people} of {len(faces.people)} people aside for validation: "
            "at least two must be on either side"
        )
    order = np.random.default_rng([seed, 0]).permutation(len(faces.people))
    return (
        faces.of(np.sort(order[validation_people:])),
        faces.of(np.sort(order[:validation_people])),
    )


def without_doubtful_names(faces: FaceSet, limit: float) -> FaceSet:
    """Give faces that the teacher sees far from their person a person of their own.

    Parameters
    ----------
    faces : FaceSet
        With the teacher's embeddings.
    limit : float
        Squared distance between a face and the mean of its person's other faces, both normalised, beyond which the
        name is taken to be wrong.

    Raises
    ------
    DataError
        The faces have no teacher.
    """
    if faces.teacher is None:
        raise DataError("data.label_limit needs a teacher's embedding of every face (teacher.npy beside the table)")
    points = normalise(faces.teacher)
    sums, own = means_of_people(points, faces.labels)
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
    """The teacher's embeddings of the faces kept, as they are; None where not every face has one."""
    rows = [source.entries[face].teacher_row for face in kept]
    if source.teacher is None or None in rows:
        return None
    try:
        table = np.load(source.teacher, allow_pickle=False)
        return np.asarray(table[np.array(rows, np.int64)], np.float32)
    except (OSError, ValueError, IndexError) as error:
        raise DataError(
            f"{source.teacher} does not fit the table beside it: {error}; it must have a row (d numbers) for each "
            "teacher_row"
        ) from None
