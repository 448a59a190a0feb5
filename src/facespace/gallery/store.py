"""The gallery's truth: one SQLite file."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from facespace.database import Database
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
        self._space_id, self._dimension = space_id, dimension
        self._file = Database(path, "gallery", GalleryError, MIGRATIONS, space_id, dimension)
        self.path, self._db = self._file.path, self._file.connection

    def close(self) -> None:
        """Let the file go; nothing is lost, as every change was on disk when it was acknowledged."""
        self._file.close()

    def add(self, name: str, faces: Sequence[NewFace]) -> None:
        """Add faces to a person, who is made if unknown; all of them or, on any error, none."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        points = np.stack([face.embedding for face in faces])
        rows = [
            (face.photo, *face.box, small.tobytes(), point.astype(np.float16).tobytes(), self._space_id, now)
            for face, small, point in zip(faces, quantise(points), points, strict=True)
        ]
        with self._file.writing("enrol into"):
            self._db.execute("INSERT INTO person (name, created) VALUES (?, ?) ON CONFLICT DO NOTHING", (name, now))
            (person,) = self._db.execute("SELECT id FROM person WHERE name = ?", (name,)).fetchone()
            self._db.executemany(
                "INSERT INTO face (person, photo, left, top, right, bottom, quantised, original, model, created) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [(person, *row) for row in rows],
            )

    def remove(self, name: str) -> None:
        """Delete a person and all their faces, overwriting them in the file."""
        with self._file.writing("remove from"):
            deleted = self._db.execute("DELETE FROM person WHERE name = ?", (name,)).rowcount
        if not deleted:
            known = [person.name for person in self.people()]
            raise GalleryError(f"there is no {name!r} in {self.path}{nearest_name(name, known)}")
        self._file.forget_deleted()

    def people(self) -> list[Person]:
        """Everybody, by name."""
        with self._file.explaining("read"):
            rows = self._db.execute(
                "SELECT name, count(face.id), person.created FROM person LEFT JOIN face ON face.person = person.id "
                "GROUP BY person.id ORDER BY name"
            ).fetchall()
        return [Person(*row) for row in rows]

    def faces(self) -> StoredFaces:
        """Every face, in the form that is searched."""
        with self._file.explaining("read"):
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
        return self._file.version()
