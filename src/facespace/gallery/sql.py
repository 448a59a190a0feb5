"""Where a gallery's tables lie: a SQLite file, or a PostgreSQL database. All else is the same for both."""

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any, Protocol

from facespace.database import Database
from facespace.errors import GalleryError


class Sql(Protocol):
    """A database, safe to share between threads. Parameters stand as `?`, whatever the database writes for them."""

    where: str
    read_only: bool
    made: bool

    def discard(self) -> bool:
        """Close and delete what opening it made, if nobody else uses it; gives whether it is gone."""
        ...

    def run(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Execute one statement; its rows, if it gives any."""
        ...

    def many(self, statement: str, rows: Iterable[Sequence[object]]) -> None:
        """Execute one statement for each of some rows."""
        ...

    def reading(self) -> AbstractContextManager[object]:
        """Reads that explain their errors; in SQLite, of one moment."""
        ...

    def snapshot(self) -> AbstractContextManager[object]:
        """Reads of one moment, whatever others change meanwhile."""
        ...

    def writing(self, doing: str) -> AbstractContextManager[object]:
        """One transaction, and the only one that writes: all of it, on disk, or nothing."""
        ...

    def explaining(self, doing: str) -> AbstractContextManager[None]:
        """The database's errors as what the user can do about them (GalleryError)."""
        ...

    def forget_deleted(self) -> bool:
        """See that deleted bytes are overwritten; whether they are by now, or will be as soon as can be."""
        ...

    def space(self) -> str:
        """The space whose points are held."""
        ...

    def close(self) -> None:
        """Let it go."""
        ...


# The first is the schema of 0.1; never edit one that was released.
MIGRATIONS = (
    """
    CREATE TABLE space (
        id TEXT NOT NULL PRIMARY KEY,
        dimension INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE person (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL UNIQUE,
        created TEXT NOT NULL
    ) STRICT;
    CREATE TABLE face (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        person INTEGER NOT NULL REFERENCES person (id) ON DELETE CASCADE,
        photo TEXT NOT NULL,
        left REAL NOT NULL,
        top REAL NOT NULL,
        right REAL NOT NULL,
        bottom REAL NOT NULL,
        quantised BLOB NOT NULL,
        original BLOB NOT NULL,
        model TEXT NOT NULL,
        created TEXT NOT NULL
    ) STRICT;
    CREATE INDEX face_by_person ON face (person);
    """,
    # name_key is what a person is found by: the name itself, or its keyed hash where names are sealed.
    # change says which templates are new since when, deleted ones included: what an index follows.
    """
    ALTER TABLE person ADD COLUMN name_key TEXT NOT NULL DEFAULT '';
    UPDATE person SET name_key = name;
    CREATE UNIQUE INDEX person_by_key ON person (name_key);
    ALTER TABLE person ADD COLUMN attributes TEXT NOT NULL DEFAULT '{}';
    ALTER TABLE face ADD COLUMN quality REAL;
    CREATE TABLE template (
        person INTEGER PRIMARY KEY REFERENCES person (id) ON DELETE CASCADE,
        faces INTEGER NOT NULL,
        length REAL NOT NULL,
        code BLOB NOT NULL
    ) STRICT;
    CREATE TABLE change (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        person INTEGER NOT NULL UNIQUE
    ) STRICT;
    CREATE TABLE merged (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        person INTEGER NOT NULL,
        into_person INTEGER NOT NULL,
        name TEXT NOT NULL,
        name_key TEXT NOT NULL,
        attributes TEXT NOT NULL,
        created TEXT NOT NULL,
        faces TEXT NOT NULL,
        time TEXT NOT NULL
    ) STRICT;
    CREATE TABLE audit (
        number INTEGER PRIMARY KEY,
        time TEXT NOT NULL,
        actor TEXT NOT NULL,
        action TEXT NOT NULL,
        detail TEXT NOT NULL,
        hash TEXT NOT NULL
    ) STRICT;
    CREATE TABLE setting (
        name TEXT NOT NULL PRIMARY KEY,
        value TEXT NOT NULL
    ) STRICT;
    CREATE TABLE copy (
        path TEXT NOT NULL PRIMARY KEY,
        time TEXT NOT NULL
    ) STRICT;
    CREATE TABLE renewed (
        face INTEGER PRIMARY KEY REFERENCES face (id) ON DELETE CASCADE,
        quantised BLOB,
        original BLOB,
        reason TEXT
    ) STRICT;
    """,
    """
    CREATE TABLE picture (
        face INTEGER PRIMARY KEY REFERENCES face (id) ON DELETE CASCADE,
        content BLOB NOT NULL
    ) STRICT;
    """,
)


class Sqlite:
    """A gallery's tables in one SQLite file."""

    def __init__(self, path: Path, space_id: str, dimension: int, create: bool = True):
        self._file = Database(path, "gallery", GalleryError, MIGRATIONS, space_id, dimension, create)
        self.where, self.path, self.read_only = str(path), path, self._file.read_only
        self.run, self.many = self._file.run, self._file.many
        self.reading = self.snapshot = self._file.reading
        self.writing, self.explaining = self._file.writing, self._file.explaining
        self.forget_deleted, self.close = self._file.forget_deleted, self._file.close
        self.made, self.discard = self._file.made, self._file.discard

    def space(self) -> str:
        """The space whose points are held."""
        return str(self.run("SELECT id FROM space")[0][0])


def space_of(path: str) -> tuple[str, int]:
    """The space and dimension that a gallery, a file or postgresql://..., holds; GalleryError where it is none."""
    if path.startswith(("postgresql://", "postgres://")):
        from facespace.gallery.postgres import space_of_url

        return space_of_url(path)
    if not Path(path).is_file():
        raise GalleryError(f"there is no gallery {path}; check the path")
    try:
        with closing(sqlite3.connect(f"file:{Path(path).absolute()}?mode=ro", uri=True)) as db:
            space, dimension = db.execute("SELECT id, dimension FROM space").fetchone()
            (version,) = db.execute("PRAGMA user_version").fetchone()
    except (sqlite3.Error, TypeError) as error:
        raise GalleryError(f"{path} is not a gallery, or is damaged: {error}") from None
    if version > len(MIGRATIONS):
        raise GalleryError(f"{path} was written by a newer facespace; upgrade facespace")
    return str(space), int(dimension)
