"""The gallery's truth: one SQLite file.

Every change is one transaction, synced before it is acknowledged, so a crash at any moment leaves the file as
it was before or after the change. Deleted faces are overwritten in the file, not only unlinked.
"""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facespace.errors import GalleryError
from facespace.metric import quantise
from facespace.validation import nearest_name

# Each entry takes the schema from its index to the next; never edit one that was released.
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
)

# How long to wait for another process that is writing.
BUSY_SECONDS = 10.0


@dataclass(frozen=True)
class Person:
    """Somebody in a gallery: name, how many faces are kept, and since when (UTC, ISO 8601)."""

    name: str
    faces: int
    created: str


@dataclass(frozen=True)
class NewFace:
    """A face to keep: photo, where in it (pixels), and embedding, float32 of shape (d,)."""

    photo: str
    box: tuple[float, float, float, float]
    embedding: NDArray[np.float32]


@dataclass(frozen=True)
class StoredFaces:
    """All faces of a gallery.

    names : of the people
    owner : int64, shape (n,), index into `names`
    quantised : int8, shape (n, d)
    """

    names: tuple[str, ...]
    owner: NDArray[np.int64]
    quantised: NDArray[np.int8]


class Store:
    """A gallery file, open for reading and writing. Many processes may read while one writes.

    Parameters
    ----------
    path : path
        Made, readable by its owner alone, if it does not exist.
    space_id : str
        The space whose points it holds; a file of another space is refused.
    dimension : int

    Raises
    ------
    GalleryError
        Not a gallery, damaged, of another space, made by a newer version, or not to be opened at all.
    """

    def __init__(self, path: str | os.PathLike[str], space_id: str, dimension: int):
        self.path = Path(path)
        self._space_id, self._dimension = space_id, dimension
        with self._explaining("open"):
            if not self.path.exists():
                # Faces are biometric data: nobody else on this machine gets to read them.
                os.close(os.open(self.path, os.O_CREAT | os.O_WRONLY, 0o600))
            self._db = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            with self._explaining("open"):
                self._prepare()
        except BaseException:
            self._db.close()
            raise

    def close(self) -> None:
        """Let the file go; nothing is lost, as every change was on disk when it was acknowledged."""
        self._db.close()

    def add(self, name: str, faces: Sequence[NewFace]) -> None:
        """Add faces to a person, who is made if unknown; all of them or, on any error, none."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        points = np.stack([face.embedding for face in faces])
        rows = [
            (face.photo, *face.box, small.tobytes(), point.astype(np.float16).tobytes(), self._space_id, now)
            for face, small, point in zip(faces, quantise(points), points, strict=True)
        ]
        with self._writing("enrol into"):
            self._db.execute("INSERT INTO person (name, created) VALUES (?, ?) ON CONFLICT DO NOTHING", (name, now))
            (person,) = self._db.execute("SELECT id FROM person WHERE name = ?", (name,)).fetchone()
            self._db.executemany(
                "INSERT INTO face (person, photo, left, top, right, bottom, quantised, original, model, created) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [(person, *row) for row in rows],
            )

    def remove(self, name: str) -> None:
        """Delete a person and all their faces, overwriting them in the file."""
        with self._writing("remove from"):
            deleted = self._db.execute("DELETE FROM person WHERE name = ?", (name,)).rowcount
        if not deleted:
            known = [person.name for person in self.people()]
            raise GalleryError(f"there is no {name!r} in {self.path}{nearest_name(name, known)}")
        with self._explaining("remove from"):
            # The deleted bytes also stand in the write-ahead log until it is emptied.
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def people(self) -> list[Person]:
        """Everybody, by name."""
        with self._explaining("read"):
            rows = self._db.execute(
                "SELECT name, count(face.id), person.created FROM person LEFT JOIN face ON face.person = person.id "
                "GROUP BY person.id ORDER BY name"
            ).fetchall()
        return [Person(*row) for row in rows]

    def faces(self) -> StoredFaces:
        """Every face, in the form that is searched."""
        with self._explaining("read"):
            rows = self._db.execute(
                "SELECT person.id, name, quantised FROM face JOIN person ON face.person = person.id ORDER BY face.id"
            ).fetchall()
        names = {person: name for person, name, _ in rows}
        index = {person: position for position, person in enumerate(names)}
        content = b"".join(blob for _, _, blob in rows)
        if len(content) != len(rows) * self._dimension:
            raise GalleryError(f"{self.path} holds faces of a wrong size: it is damaged; restore a backup")
        return StoredFaces(
            tuple(names.values()),
            np.array([index[person] for person, _, _ in rows], np.int64),
            np.frombuffer(content, np.int8).reshape(len(rows), self._dimension),
        )

    def version(self) -> tuple[int, int]:
        """Changes whenever this or any other process has changed the file."""
        with self._explaining("read"):
            (others,) = self._db.execute("PRAGMA data_version").fetchone()
        return others, self._db.total_changes

    def _prepare(self) -> None:
        (mode,) = self._db.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            raise GalleryError(f"{self.path} cannot be opened for writing; check its rights and its folder's")
        for setting in ("foreign_keys = ON", "synchronous = FULL", "secure_delete = ON"):
            self._db.execute(f"PRAGMA {setting}")
        self._migrate()
        row = self._db.execute("SELECT id FROM space").fetchone()
        if row is None:
            with self._writing("open"):
                self._db.execute(
                    "INSERT INTO space SELECT ?, ? WHERE NOT EXISTS (SELECT 1 FROM space)",
                    (self._space_id, self._dimension),
                )
            row = self._db.execute("SELECT id FROM space").fetchone()
        if row[0] != self._space_id:
            raise GalleryError(
                f"{self.path} holds points of the space {row[0][:16]}, this model's space is {self._space_id[:16]}: "
                "distances between them mean nothing; open it with the model it was made with, or enrol the photos "
                "anew into another gallery"
            )

    def _migrate(self) -> None:
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version > len(MIGRATIONS):
            raise GalleryError(
                f"{self.path} was written by a newer facespace (schema {version}, this one knows {len(MIGRATIONS)}); "
                "upgrade facespace"
            )
        if version == len(MIGRATIONS):
            return
        if version == 0 and self._db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
            raise GalleryError(f"{self.path} is a database, but not a gallery; name another file")
        with self._writing("open"):
            # Another process may have migrated while this one waited for its turn.
            (version,) = self._db.execute("PRAGMA user_version").fetchone()
            for number, script in enumerate(MIGRATIONS[version:], start=version + 1):
                for statement in script.split(";"):
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA user_version = {number}")

    @contextmanager
    def _writing(self, doing: str) -> Iterator[None]:
        """One transaction: all of it, on disk, or nothing."""
        with self._explaining(doing):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def _explaining(self, doing: str) -> Iterator[None]:
        """SQLite's errors as what the user can do about them."""
        try:
            yield
        except sqlite3.Error as error:
            code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
            advice = _ADVICE.get(code, "see the reason")
            raise GalleryError(f"cannot {doing} the gallery {self.path}: {error}; {advice}") from None
        except OSError as error:
            raise GalleryError(
                f"cannot {doing} the gallery {self.path}: {error.strerror}; check the path and its rights"
            ) from None


_ADVICE = {
    sqlite3.SQLITE_BUSY: "another process is writing to it; try again",
    sqlite3.SQLITE_LOCKED: "another process is writing to it; try again",
    sqlite3.SQLITE_FULL: "the disk is full; nothing was changed: free some space and try again",
    sqlite3.SQLITE_IOERR: "the disk refused; nothing was changed: check space and disk and try again",
    sqlite3.SQLITE_READONLY: "it may only be read; check its rights",
    sqlite3.SQLITE_CANTOPEN: "check the path and its rights",
    sqlite3.SQLITE_NOTADB: "it is not a gallery; name another file",
    sqlite3.SQLITE_CORRUPT: "the file is damaged; restore a backup",
}
