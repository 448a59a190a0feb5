"""The SQLite file of an album: photos, faces, their clusters, and all decisions.

Numbers of faces, clusters and decisions are never reused, so users may note them down.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from facespace.album.constraints import Bond, Naming
from facespace.database import Database
from facespace.errors import AlbumError

Ints = NDArray[np.int64]

MIGRATIONS = (
    """
    CREATE TABLE space (
        id TEXT NOT NULL PRIMARY KEY,
        dimension INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE photo (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        path TEXT NOT NULL UNIQUE,
        size INTEGER NOT NULL,
        modified INTEGER NOT NULL,
        failure TEXT
    ) STRICT;
    CREATE TABLE cluster (
        id INTEGER PRIMARY KEY AUTOINCREMENT
    ) STRICT;
    CREATE TABLE face (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        photo INTEGER REFERENCES photo (id) ON DELETE CASCADE,
        name TEXT,
        left REAL NOT NULL,
        top REAL NOT NULL,
        right REAL NOT NULL,
        bottom REAL NOT NULL,
        point BLOB NOT NULL,
        thumbnail BLOB,
        cluster INTEGER REFERENCES cluster (id)
    ) STRICT;
    CREATE INDEX face_by_photo ON face (photo);
    CREATE TABLE decision (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        what TEXT NOT NULL,
        made TEXT NOT NULL,
        undone TEXT
    ) STRICT;
    CREATE TABLE bond (
        decision INTEGER NOT NULL REFERENCES decision (id),
        a INTEGER NOT NULL REFERENCES face (id) ON DELETE CASCADE,
        b INTEGER NOT NULL REFERENCES face (id) ON DELETE CASCADE,
        together INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE naming (
        decision INTEGER NOT NULL REFERENCES decision (id),
        face INTEGER NOT NULL REFERENCES face (id) ON DELETE CASCADE,
        name TEXT NOT NULL
    ) STRICT;
    CREATE TABLE moved (
        decision INTEGER NOT NULL REFERENCES decision (id),
        face INTEGER NOT NULL REFERENCES face (id) ON DELETE CASCADE,
        before INTEGER,
        after INTEGER
    ) STRICT;
    CREATE TABLE setting (
        name TEXT NOT NULL PRIMARY KEY,
        value REAL NOT NULL
    ) STRICT;
    """,
    # The sha256 of a photo's bytes, by which a moved or renamed photo is recognised.
    "ALTER TABLE photo ADD COLUMN digest BLOB",
)

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class NewFace:
    """A face to store: its box in the photo (pixels), its embedding (d,), and a small picture (WebP)."""

    box: Box
    point: NDArray[np.float32]
    thumbnail: bytes | None


class NewPhoto(NamedTuple):
    """A photo to store.

    path : as text, see `text_of`; for an upload, its name
    size, modified : bytes, and modification time (ns)
    failure : why it could not be used, or None
    faces : the faces found in it
    digest : sha256 of its bytes, or None if unknown
    """

    path: str
    size: int
    modified: int
    failure: str | None
    faces: Sequence[NewFace]
    digest: bytes | None = None


class SeenPhoto(NamedTuple):
    """A photo processed before; fields as in `NewPhoto`."""

    size: int
    modified: int
    digest: bytes | None


@dataclass(frozen=True)
class StoredFaces:
    """All faces of an album, ordered by number.

    ids : int64, shape (n,), ascending
    photo : int64, shape (n,), id of the photo; -1 for a gallery's face
    paths, boxes, names : of each face; only a gallery's face has a name, the others None
    points : float32, shape (n, d)
    cluster : int64, shape (n,), -1 for a face that was not placed yet
    """

    ids: Ints
    photo: Ints
    paths: tuple[str | None, ...]
    boxes: tuple[Box, ...]
    names: tuple[str | None, ...]
    points: NDArray[np.float32]
    cluster: Ints


@dataclass(frozen=True)
class Decision:
    """A decision about an album: what, when (UTC, ISO 8601), and when it was undone, if it was."""

    id: int
    what: str
    made: str
    undone: str | None


class AlbumStore:
    """An album file, open for reading and writing; AlbumError if it cannot be opened."""

    def __init__(self, path: str | os.PathLike[str], space_id: str, dimension: int, create: bool = True):
        self._dimension = dimension
        self._file = Database(path, "album", AlbumError, MIGRATIONS, space_id, dimension, create)
        self.path, self._db = self._file.path, self._file.connection

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def discard_unused(self) -> bool:
        """Delete a file that opening it created and that is still empty; returns whether it was deleted.

        It is kept if another process has it open. If it is not deleted, it is still open.
        """
        if not self._file.made:
            return False
        with self._file.explaining("read"):
            used = any(
                self._db.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone() for table in ("photo", "face", "decision")
            )
        return not used and self._file.discard()

    def version(self) -> tuple[int, int]:
        """Value that changes whenever this or any other process changes the file."""
        return self._file.version()

    def seen(self) -> dict[str, SeenPhoto]:
        """All photos processed before, by path."""
        with self._file.explaining("read"):
            rows = self._db.execute("SELECT path, size, modified, digest FROM photo ORDER BY id").fetchall()
        return {path: SeenPhoto(*rest) for path, *rest in rows}

    def failures(self) -> list[tuple[str, str]]:
        """Path and reason of every photo that could not be used."""
        with self._file.explaining("read"):
            return list(self._db.execute("SELECT path, failure FROM photo WHERE failure IS NOT NULL ORDER BY id"))

    def add_photos(self, photos: Iterable[NewPhoto]) -> None:
        """Store photos and their faces, which are not placed yet.

        A stored photo with the same path is replaced, with its faces.
        """
        with self._file.writing("add to"):
            for path, size, modified, failure, faces, digest in photos:
                self._db.execute("DELETE FROM photo WHERE path = ?", (path,))
                photo = self._db.execute(
                    "INSERT INTO photo (path, size, modified, failure, digest) VALUES (?, ?, ?, ?, ?)",
                    (path, size, modified, failure, digest),
                ).lastrowid
                self._db.executemany(
                    "INSERT INTO face (photo, left, top, right, bottom, point, thumbnail) VALUES (?, ?, ?, ?, ?, ?, ?)",
                    [(photo, *face.box, _blob(face.point), face.thumbnail) for face in faces],
                )

    def move_photos(self, moves: Mapping[str, tuple[str, SeenPhoto]]) -> None:
        """Change the paths of photos, given by old path: the new path, and the file's properties. Faces stay.

        A stored photo at a new path that is not moved itself is replaced.
        """
        with self._file.writing("change"):
            ids = {old: self._db.execute("SELECT id FROM photo WHERE path = ?", (old,)).fetchone()[0] for old in moves}
            # Use temporary names that no photo has, because photos may have swapped places.
            self._db.executemany(
                "UPDATE photo SET path = '\n' || id WHERE id = ?", [(number,) for number in ids.values()]
            )
            for old, (new, seen) in moves.items():
                self._db.execute("DELETE FROM photo WHERE path = ?", (new,))
                self._db.execute(
                    "UPDATE photo SET path = ?, size = ?, modified = ?, digest = ? WHERE id = ?", (new, *seen, ids[old])
                )

    def forget_photos(self, paths: Iterable[str]) -> int:
        """Delete photos with their faces and the decisions about these; returns the number of faces."""
        faces = 0
        with self._file.writing("remove from"):
            for path in paths:
                faces += self._db.execute(
                    "SELECT COUNT(*) FROM face JOIN photo ON photo.id = face.photo WHERE path = ?", (path,)
                ).fetchone()[0]
                self._db.execute("DELETE FROM photo WHERE path = ?", (path,))
        self._file.forget_deleted()
        return faces

    def replace_people(self, people: Iterable[tuple[str, NDArray[np.float32]]]) -> None:
        """Replace the stored faces of a gallery's people (name, embeddings (k, d))."""
        with self._file.writing("add to"):
            self._db.execute("DELETE FROM face WHERE photo IS NULL")
            self._db.executemany(
                "INSERT INTO face (name, left, top, right, bottom, point) VALUES (?, 0, 0, 0, 0, ?)",
                [(name, _blob(point)) for name, points in people for point in points],
            )

    def faces(self) -> StoredFaces:
        """All faces."""
        with self._file.explaining("read"):
            rows = self._db.execute(
                "SELECT face.id, photo, path, name, left, top, right, bottom, cluster, point FROM face "
                "LEFT JOIN photo ON photo.id = face.photo ORDER BY face.id"
            ).fetchall()
        content = b"".join(row[-1] for row in rows)
        if len(content) != 2 * len(rows) * self._dimension:
            raise AlbumError(f"{self.path} is damaged: faces have the wrong size; restore a backup")
        points = np.frombuffer(content, np.float16).reshape(len(rows), self._dimension).astype(np.float32)
        return StoredFaces(
            ids=np.array([row[0] for row in rows], np.int64),
            photo=np.array([-1 if row[1] is None else row[1] for row in rows], np.int64),
            paths=tuple(row[2] for row in rows),
            names=tuple(row[3] for row in rows),
            boxes=tuple((row[4], row[5], row[6], row[7]) for row in rows),
            cluster=np.array([-1 if row[8] is None else row[8] for row in rows], np.int64),
            points=points,
        )

    def thumbnails(self, faces: Sequence[int]) -> list[bytes | None]:
        """Small pictures of some faces; None for unknown faces."""
        with self._file.explaining("read"):
            rows = [self._db.execute("SELECT thumbnail FROM face WHERE id = ?", (face,)).fetchone() for face in faces]
        return [None if row is None else row[0] for row in rows]

    def standing(self, without: int | None = None) -> tuple[list[Bond], list[Naming]]:
        """Bonds and names from decisions in force, with the decision as the reason; optionally without one of them."""
        with self._file.explaining("read"):
            bonds = self._db.execute(
                "SELECT a, b, together, decision.id, what FROM bond JOIN decision ON decision.id = bond.decision "
                "WHERE undone IS NULL AND decision.id IS NOT ? ORDER BY bond.rowid",
                (without,),
            ).fetchall()
            namings = self._db.execute(
                "SELECT face, name, decision.id, what FROM naming JOIN decision ON decision.id = naming.decision "
                "WHERE undone IS NULL AND decision.id IS NOT ? ORDER BY naming.rowid",
                (without,),
            ).fetchall()
        return (
            [Bond(a, b, bool(together), f"decision {number}: {what}") for a, b, together, number, what in bonds],
            [Naming(face, name, f"decision {number}: {what}") for face, name, number, what in namings],
        )

    def decide(
        self, what: str, bonds: Sequence[Bond], namings: Sequence[Naming], moved: Sequence[tuple[int, int, int]]
    ) -> int:
        """Store a decision and its effect (face, old cluster, new cluster; -1 for none); returns its number."""
        with self._file.writing("change"):
            number = self._db.execute("INSERT INTO decision (what, made) VALUES (?, ?)", (what, _now())).lastrowid
            self._db.executemany(
                "INSERT INTO bond VALUES (?, ?, ?, ?)", [(number, bond.a, bond.b, bond.together) for bond in bonds]
            )
            self._db.executemany(
                "INSERT INTO naming VALUES (?, ?, ?)", [(number, naming.face, naming.name) for naming in namings]
            )
            self._place(moved)
            self._db.executemany(
                "INSERT INTO moved VALUES (?, ?, ?, ?)",
                [(number, face, _id(before), _id(after)) for face, before, after in moved],
            )
        return int(number or 0)

    def moved_by(self, decision: int) -> list[tuple[int, int, int]]:
        """The effect of a decision: face, old cluster, new cluster."""
        with self._file.explaining("read"):
            rows = self._db.execute("SELECT face, before, after FROM moved WHERE decision = ?", (decision,)).fetchall()
        return [(face, -1 if a is None else a, -1 if b is None else b) for face, a, b in rows]

    def undo(self, decision: int, moved: Sequence[tuple[int, int, int]]) -> None:
        """Mark a decision as undone and place faces, in one transaction."""
        with self._file.writing("change"):
            self._db.execute("UPDATE decision SET undone = ? WHERE id = ?", (_now(), decision))
            self._place(moved)

    def place(self, moved: Sequence[tuple[int, int, int]], cut: float | None) -> None:
        """Put faces (face, old cluster, new cluster) into clusters, and store the cut that was used."""
        with self._file.writing("change"):
            self._place(moved)
            if cut is not None:
                self._db.execute("INSERT OR REPLACE INTO setting VALUES ('cut', ?)", (cut,))

    def cut(self) -> float | None:
        """Squared distance of the last cut, or None."""
        with self._file.explaining("read"):
            row = self._db.execute("SELECT value FROM setting WHERE name = 'cut'").fetchone()
        return None if row is None else float(row[0])

    def decisions(self) -> list[Decision]:
        """All decisions in order, including undone ones."""
        with self._file.explaining("read"):
            rows = self._db.execute("SELECT id, what, made, undone FROM decision ORDER BY id").fetchall()
        return [Decision(*row) for row in rows]

    def pairs(self) -> dict[int, list[tuple[int, int, bool]]]:
        """Pairs of faces that each decision declares the same person (True) or different people, undone or not."""
        with self._file.explaining("read"):
            rows = self._db.execute("SELECT decision, a, b, together FROM bond ORDER BY rowid").fetchall()
        found: dict[int, list[tuple[int, int, bool]]] = {}
        for decision, a, b, together in rows:
            found.setdefault(decision, []).append((a, b, bool(together)))
        return found

    def names_given(self) -> dict[int, tuple[int, str]]:
        """Face and name of each decision that names a cluster, undone or not."""
        with self._file.explaining("read"):
            rows = self._db.execute("SELECT decision, face, name FROM naming ORDER BY rowid").fetchall()
        return {decision: (face, name) for decision, face, name in rows}

    def next_cluster(self) -> int:
        """First cluster number that was never used."""
        with self._file.explaining("read"):
            row = self._db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'cluster'").fetchone()
        return 1 + (0 if row is None else int(row[0]))

    def _place(self, moved: Sequence[tuple[int, int, int]]) -> None:
        new = sorted({after for _, _, after in moved if after >= 0})
        self._db.executemany("INSERT OR IGNORE INTO cluster (id) VALUES (?)", [(number,) for number in new])
        self._db.executemany(
            "UPDATE face SET cluster = ? WHERE id = ?", [(_id(after), face) for face, _, after in moved]
        )


def _blob(point: NDArray[np.float32]) -> bytes:
    return point.astype(np.float16).tobytes()


def _id(number: int) -> int | None:
    return None if number < 0 else number


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
