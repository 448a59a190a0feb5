"""Sources of training faces: a folder of people, or a folder or zip of aligned faces with a table."""

import os
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from facespace.errors import DataError, ImageError
from facespace.evaluate.table import read_table
from facespace.images import people_in, read_image

TABLE, TEACHER = "faces.csv", "teacher.npy"


@dataclass(frozen=True)
class Entry:
    """One photo of a source.

    name : name of the photo in the source
    person : name of the person
    signature : text that changes when the photo changes
    teacher_row : row of the teacher's embedding, or None
    """

    name: str
    person: str
    signature: str
    teacher_row: int | None = None


@dataclass(frozen=True)
class Source:
    """The photos of a data set, not yet read.

    where : path of the data set
    entries : the photos, in the order in which people and faces are numbered
    read : opens the photo of an entry for `read_image`; thread-safe
    aligned : whether each photo is an aligned face, the 112x112 template with a margin of 8 pixels
    teacher : path of the teacher's embeddings, or None
    """

    where: Path
    entries: tuple[Entry, ...]
    read: Callable[[Entry], Path | BinaryIO]
    aligned: bool
    teacher: Path | None

    def decode(self, entry: Entry) -> NDArray[np.uint8]:
        """Decode the photo of an entry, (h, w, 3) RGB; raises ImageError, with its name, if it cannot be used."""
        try:
            return read_image(self.read(entry))
        except (OSError, KeyError, zipfile.BadZipFile) as error:
            raise ImageError(f"{entry.name} cannot be read from {self.where}: {error}") from None


def source_of(path: Path) -> Source:
    """Open the data set at a path.

    A zip, or a folder with a table `faces.csv` in it or next to it, contains aligned faces. Any other folder is a
    folder of people, PERSON/photo. The table has one row per face with at least the columns `path` (within the zip, or
    relative to the table's folder) and `person`; `teacher_row` is a row of `teacher.npy` next to the table. One table
    may list the faces of several folders and zips.

    Raises
    ------
    DataError
        The path does not exist, the zip is damaged or has no table, or the table lacks a column or has no row for this
        data set.
    """
    if path.is_file() and path.suffix.lower() == ".zip":
        return _zip(path)
    if not path.is_dir():
        what = "is neither a folder nor a zip" if path.exists() else "does not exist"
        raise DataError(f"the training data {path} {what}; give a folder of people, or a zip with {TABLE} next to it")
    table = next((table for table in (path / TABLE, path.parent / TABLE) if table.is_file()), None)
    if table is not None:
        rows = [row for row in _rows(table) if _inside(table.parent / row["path"], path)]
        if rows:
            return _folder(path, table, rows)
        if table.parent == path:
            raise DataError(
                f"{table} has no row for a face under {path}; its column 'path' is relative to the table's folder"
            )
    return _people(path)


def joined(sources: Sequence[Source]) -> Source:
    """Join several sources into one; raises DataError if their kinds or teachers differ."""
    if len(sources) == 1:
        return sources[0]
    where = ", ".join(str(source.where) for source in sources)
    if len({source.aligned for source in sources}) > 1 or len({source.teacher for source in sources}) > 1:
        raise DataError(
            f"cannot join {where} into one training set: all must be aligned faces with the same table and teacher"
        )
    readers = {entry.name: source.read for source in sources for entry in source.entries}
    return Source(
        where=sources[0].where,
        entries=tuple(entry for source in sources for entry in source.entries),
        read=lambda entry: readers[entry.name](entry),
        aligned=sources[0].aligned,
        teacher=sources[0].teacher,
    )


def _zip(path: Path) -> Source:
    table = path.parent / TABLE
    if not table.is_file():
        raise DataError(f"{path} has no table: add {table}, with one row per face (columns path, person)")
    try:
        archive = zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} is not a readable zip ({error}); copy or download the file again") from None
    members = {info.filename: info for info in archive.infolist()}
    rows = [row for row in _rows(table) if row["path"] in members]
    if not rows:
        raise DataError(f"{table} has no row for any of the {len(members)} members of {path}")
    return Source(
        where=path,
        entries=tuple(
            _entry(row, f"{members[row['path']].CRC:08x} {members[row['path']].file_size}", table) for row in rows
        ),
        read=lambda entry: cast(BinaryIO, archive.open(entry.name)),
        aligned=True,
        teacher=_teacher(table),
    )


def _folder(path: Path, table: Path, rows: list[dict[str, str]]) -> Source:
    return Source(
        where=path,
        entries=tuple(_entry(row, _signature(table.parent / row["path"]), table) for row in rows),
        read=lambda entry: table.parent / entry.name,
        aligned=True,
        teacher=_teacher(table),
    )


def _people(path: Path) -> Source:
    return Source(
        where=path,
        entries=tuple(
            Entry(os.fspath(photo.relative_to(path)), person, _signature(photo))
            for person, photos in people_in(path).items()
            for photo in photos
        ),
        read=lambda entry: path / entry.name,
        aligned=False,
        teacher=None,
    )


def _rows(table: Path) -> list[dict[str, str]]:
    rows = [row.values for row in read_table(table, ("path", "person")).rows]
    # Sort by person, so that labels follow the order of the names whatever the order of the table.
    return sorted(rows, key=lambda row: (row["person"], row["path"]))


def _entry(row: dict[str, str], signature: str, table: Path) -> Entry:
    number = row.get("teacher_row")
    if number and not number.isdecimal():
        raise DataError(f"{table}, {row['path']}: teacher_row is {number!r}, not a row number")
    return Entry(row["path"], row["person"], signature, int(number) if number else None)


def _teacher(table: Path) -> Path | None:
    path = table.parent / TEACHER
    return path if path.is_file() else None


def _signature(photo: Path) -> str:
    try:
        status = photo.stat()
    except OSError:
        return "absent"
    return f"{status.st_mtime_ns} {status.st_size}"


def _inside(photo: Path, folder: Path) -> bool:
    return photo.absolute().is_relative_to(folder.absolute())
