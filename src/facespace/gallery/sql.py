"""The database of a gallery: a SQLite file or PostgreSQL, behind one interface."""

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any, Protocol

from facespace.database import Database
from facespace.errors import GalleryError


class Sql(Protocol):
    """A database that threads may share. Statements use `?` for parameters, whatever the database's own syntax."""

    where: str
    read_only: bool
    made: bool

    def discard(self) -> bool:
        """Close it and delete what opening it created, if nobody else uses it; returns whether it was deleted."""
        ...

    def run(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Execute one statement; returns its rows, if any."""
        ...

    def many(self, statement: str, rows: Iterable[Sequence[object]]) -> None:
        """Execute one statement for each row of values."""
        ...

    def reading(self) -> AbstractContextManager[object]:
        """Read; database errors become GalleryErrors. In SQLite the block sees a consistent snapshot."""
        ...

    def snapshot(self) -> AbstractContextManager[object]:
        """Read a consistent snapshot, whatever others change meanwhile."""
        ...

    def writing(self, doing: str) -> AbstractContextManager[object]:
        """Run one transaction, the only one that writes: all of it reaches the disk, or nothing."""
        ...

    def explaining(self, doing: str) -> AbstractContextManager[None]:
        """Turn the database's errors into a GalleryError, with advice for the user."""
        ...

    def forget_deleted(self) -> bool:
        """Have deleted data overwritten; returns whether that is done, or will happen as soon as possible."""
        ...

    def space(self) -> str:
        """The space whose embeddings are stored."""
        ...

    def close(self) -> None:
        """Close the database."""
        ...


# A read-only file of this schema version or a later one can be read without migrating it.
READABLE = 3

# The first is the schema of 0.1; never edit a released migration.
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
    # name_key is looked up to find a person: the name itself, or its keyed hash if names are encrypted.
    # change numbers the changes to templates, including deletions, so that an index can follow them.
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
    # Earlier versions stored each embedding in one byte per dimension too, and never read it.
    """
    ALTER TABLE face DROP COLUMN quantised;
    ALTER TABLE renewed DROP COLUMN quantised
    """,
)


class Sqlite:
    """A gallery's tables in a SQLite file."""

    def __init__(self, path: Path, space_id: str, dimension: int, create: bool = True):
        self._file = Database(path, "gallery", GalleryError, MIGRATIONS, space_id, dimension, create, READABLE)
        self.where, self.path, self.read_only = str(path), path, self._file.read_only
        self.run, self.many = self._file.run, self._file.many
        self.reading = self.snapshot = self._file.reading
        self.writing, self.explaining = self._file.writing, self._file.explaining
        self.forget_deleted, self.close = self._file.forget_deleted, self._file.close
        self.made, self.discard = self._file.made, self._file.discard

    def space(self) -> str:
        """The space whose embeddings are stored."""
        return str(self.run("SELECT id FROM space")[0][0])


def space_of(path: str) -> tuple[str, int]:
    """Return the space and dimension of a gallery, a file or postgresql://...; GalleryError if it is not one."""
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
