"""Read and embed the photos of a table of people by demographic group."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facespace.errors import DataError
from facespace.evaluate.cache import EmbeddingCache
from facespace.evaluate.embedding import Preparation, embed_photos
from facespace.evaluate.evaluation import fingerprint_of
from facespace.evaluate.groups import GroupedFaces
from facespace.evaluate.photos import Photos, by_person, open_photos
from facespace.evaluate.table import Table, read_table
from facespace.space import Space


@dataclass(frozen=True)
class GroupTable:
    """Photos of people and the groups they belong to.

    names : of the photos
    people : int64, shape (n,), the person in each photo; unique for each photo if the table has no column `person`
    columns : by title, text of shape (n,), '' if unknown
    where : name of the table
    """

    photos: Photos
    names: tuple[str, ...]
    people: NDArray[np.int64]
    columns: Mapping[str, NDArray[np.str_]]
    where: str


def read_groups(table: str | os.PathLike[str], images: str | os.PathLike[str] | None = None) -> GroupTable:
    """Read a table of people by group.

    Parameters
    ----------
    table : path
        A CSV file with a column `photo` (or `path`) and others such as group, sex and age. Without a column `person`
        each photo must show another person. With `person` but without `photo`, the first photo of each person is used,
        from PERSON/photo.
    images : path or None
        A folder or zip file with the photos. None: next to the table and with its name, so groups.zip or the folder
        groups for groups.csv.

    Raises
    ------
    DataError
        The table or the photos cannot be read, or have no photo in common.
    """
    found = read_table(table, ())
    photos = open_photos(_beside(Path(table)) if images is None else images)
    key = next((title for title in ("photo", "path") if title in found.columns), None)
    if key is None and "person" not in found.columns:
        raise DataError(f"{table} needs a column photo (or path), or person; it has {', '.join(found.columns)}")
    others = [title for title in found.columns if title not in ("photo", "path", "person")]
    if not others:
        raise DataError(f"{table} needs at least one column to group by, such as group, sex or age")
    names, rows = _of_people(found, photos, os.fspath(table)) if key is None else _of_photos(found, key, photos)
    if not names:
        raise DataError(f"{table} contains no photo of {photos.where}; its first row is {found.rows[0].values}")
    people = np.arange(len(names))
    if "person" in found.columns:
        people = np.unique([found.rows[row]["person"] for row in rows], return_inverse=True)[1].astype(np.int64)
    columns = {title: np.array([found.rows[row][title] for row in rows]) for title in others}
    return GroupTable(photos, tuple(names), people, columns, Path(table).name)


def embed_groups(
    space: Space,
    listed: GroupTable,
    preparation: Preparation | None = None,
    cache: EmbeddingCache | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> tuple[GroupedFaces, tuple[str, ...]]:
    """Embed the photos of a table; photos without a face are left out and counted.

    Returns
    -------
    GroupedFaces, and notes about photos that were left out

    Raises
    ------
    DataError
        No photo can be used.
    """
    # A centre crop without a face would not be a person.
    prepare = replace(preparation or Preparation(), no_face="failure")
    found = embed_photos(space, listed.photos, listed.names, prepare, cache, on_progress)
    had = found.present
    notes: tuple[str, ...] = ()
    if not had.all():
        first = found.failures[0]
        notes = (
            f"{int((~had).sum()):,} of {len(had):,} photos of {listed.where} were left out, because they are "
            f"unreadable or have no detected face; the first is {first}",
        )
    names = [name for name, face in zip(listed.names, had, strict=True) if face]
    data = f"{len(names):,} faces of {listed.where} [{fingerprint_of(names)}]"
    columns = {title: values[had] for title, values in listed.columns.items()}
    return GroupedFaces(found.embeddings[had], listed.people[had], columns, data), notes


def _beside(table: Path) -> Path:
    for path in (table.with_suffix(".zip"), table.with_suffix("")):
        if path.exists() and path != table:
            return path
    raise DataError(
        f"there are no photos next to {table}: neither {table.with_suffix('.zip').name} nor a folder {table.stem}; "
        "name them with --group-images"
    )


def _of_photos(found: Table, key: str, photos: Photos) -> tuple[list[str], list[int]]:
    """Return photo names and rows, including absent photos, which count as failures.

    The first part of a path may be the folder or zip file itself.
    """
    known = set(photos.names)
    names = [row[key] for row in found.rows]
    if not known.intersection(names):
        names = [name.partition("/")[2] or name for name in names]
        if not known.intersection(names):
            return [], []
    return names, list(range(len(names)))


def _of_people(found: Table, photos: Photos, where: str) -> tuple[list[str], list[int]]:
    first = {person: names[0] for person, names in by_person(photos).items()}
    rows = [at for at, row in enumerate(found.rows) if row["person"] in first]
    return [first[found.rows[at]["person"]] for at in rows], rows
