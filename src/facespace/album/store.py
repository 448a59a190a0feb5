"""An album's truth: one SQLite file of photos, faces, their clusters, and everything that was decided.

Numbers of faces, clusters and decisions are given once and never again, so they may be noted down.
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
    # The sha256 of a photo's bytes: a photo that was moved or renamed is known again by it.
    "ALTER TABLE photo ADD COLUMN digest BLOB",
)

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class NewFace:
    """A face to keep: where in its photo (pixels), its point (d,), and a small picture (WebP) of it."""

    box: Box
    point: NDArray[np.float32]
    thumbnail: bytes | None


class NewPhoto(NamedTuple):
    """A photo to keep.

    path : its path as text, see `text_of`; of an upload, its name
    size, modified : bytes, and time of change (ns)
    failure : why it could not be used, or None
    faces : found in it
    digest : sha256 of its bytes, or None where that is not known
    """

    path: str
    size: int
    modified: int
    failure: str | None
    faces: Sequence[NewFace]
    digest: bytes | None = None


class SeenPhoto(NamedTuple):
    """A photo that was looked at, as `NewPhoto` has it."""

    size: int
    modified: int
    digest: bytes | None


@dataclass(frozen=True)
class StoredFaces:
    """All faces of an album, by number.

    ids : int64, shape (n,), ascending
    photo : int64, shape (n,), of the photo; -1 for a face of a gallery
    paths, boxes, names : of each face; the name is that of a gallery's face, else None
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
    """Something a person decided about an album: what, when (UTC, ISO 8601), and whether it was undone since."""

    id: int
    what: str
    made: str
    undone: str | None


class AlbumStore:
    """An album file, open for reading and writing; AlbumError where it cannot be."""

    def __init__(self, path: str | os.PathLike[str], space_id: str, dimension: int, create: bool = True):
        self._dimension = dimension
        self._file = Database(path, "album", AlbumError, MIGRATIONS, space_id, dimension, create)
        self.path, self._db = self._file.path, self._file.connection

    def close(self) -> None:
        """Let the file go."""
        self._file.close()

    def discard_unused(self) -> bool:
        """Delete a file that opening it made and that nothing was ever written to; gives whether it is gone.

        It is kept where another process has it open. If it is not deleted, it is still open.
        """
        if not self._file.made:
            return False
        with self._file.explaining("read"):
            used = any(
                self._db.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone() for table in ("photo", "face", "decision")
            )
        return not used and self._file.discard()

    def version(self) -> tuple[int, int]:
        """Changes whenever this or any other process has changed the file."""
        return self._file.version()

    def seen(self) -> dict[str, SeenPhoto]:
        """Every photo that was looked at, by path."""
        with self._file.explaining("read"):
            rows = self._db.execute("SELECT path, size, modified, digest FROM photo ORDER BY id").fetchall()
        return {path: SeenPhoto(*rest) for path, *rest in rows}

    def failures(self) -> list[tuple[str, str]]:
        """Path and reason of every photo that could not be used."""
        with self._file.explaining("read"):
            return list(self._db.execute("SELECT path, failure FROM photo WHERE failure IS NOT NULL ORDER BY id"))

    def add_photos(self, photos: Iterable[NewPhoto]) -> None:
        """Keep photos and their faces, not placed yet.

        A photo known under the same path is replaced, with its faces.
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
        """Let photos lie elsewhere, by their old path: the new path, and what is seen there. Their faces stay.

        A photo known under a new path that does not move itself is replaced.
        """
        with self._file.writing("change"):
            ids = {old: self._db.execute("SELECT id FROM photo WHERE path = ?", (old,)).fetchone()[0] for old in moves}
            # By way of names that no photo has: photos may have changed places.
            self._db.executemany(
                "UPDATE photo SET path = '\n' || id WHERE id = ?", [(number,) for number in ids.values()]
            )
            for old, (new, seen) in moves.items():
                self._db.execute("DELETE FROM photo WHERE path = ?", (new,))
                self._db.execute(
                    "UPDATE photo SET path = ?, size = ?, modified = ?, digest = ? WHERE id = ?", (new, *seen, ids[old])
                )

    def forget_photos(self, paths: Iterable[str]) -> int:
        """Delete photos with their faces, and what was said of these; gives the number of faces."""
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
        """Keep the faces of a gallery's people (name, points (k, d)) in place of those kept before."""
        with self._file.writing("add to"):
            self._db.execute("DELETE FROM face WHERE photo IS NULL")
            self._db.executemany(
                "INSERT INTO face (name, left, top, right, bottom, point) VALUES (?, 0, 0, 0, 0, ?)",
                [(name, _blob(point)) for name, points in people for point in points],
            )

    def faces(self) -> StoredFaces:
        """Every face."""
        with self._file.explaining("read"):
            rows = self._db.execute(
                "SELECT face.id, photo, path, name, left, top, right, bottom, cluster, point FROM face "
                "LEFT JOIN photo ON photo.id = face.photo ORDER BY face.id"
            ).fetchall()
        content = b"".join(row[-1] for row in rows)
        if len(content) != 2 * len(rows) * self._dimension:
            raise AlbumError(f"{self.path} holds faces of a wrong size: it is damaged; restore a backup")
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
        """The small pictures of some faces; None where there is no such face."""
        with self._file.explaining("read"):
            rows = [self._db.execute("SELECT thumbnail FROM face WHERE id = ?", (face,)).fetchone() for face in faces]
        return [None if row is None else row[0] for row in rows]

    def standing(self, without: int | None = None) -> tuple[list[Bond], list[Naming]]:
        """What was decided and not undone, with the decision as the reason; but for one decision, where given."""
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
        """Keep a decision and its effect (face, cluster before, cluster after; -1 for none); gives its number."""
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
        """The effect of a decision: face, cluster before, cluster after."""
        with self._file.explaining("read"):
            rows = self._db.execute("SELECT face, before, after FROM moved WHERE decision = ?", (decision,)).fetchall()
        return [(face, -1 if a is None else a, -1 if b is None else b) for face, a, b in rows]

    def undo(self, decision: int, moved: Sequence[tuple[int, int, int]]) -> None:
        """Mark a decision undone and place faces anew, in one transaction."""
        with self._file.writing("change"):
            self._db.execute("UPDATE decision SET undone = ? WHERE id = ?", (_now(), decision))
            self._place(moved)

    def place(self, moved: Sequence[tuple[int, int, int]], cut: float | None) -> None:
        """Put faces (face, cluster before, cluster after) into clusters, and keep the cut that did it."""
        with self._file.writing("change"):
            self._place(moved)
            if cut is not None:
                self._db.execute("INSERT OR REPLACE INTO setting VALUES ('cut', ?)", (cut,))

    def cut(self) -> float | None:
        """The squared distance the clusters were last cut at, or None."""
        with self._file.explaining("read"):
            row = self._db.execute("SELECT value FROM setting WHERE name = 'cut'").fetchone()
        return None if row is None else float(row[0])

    def decisions(self) -> list[Decision]:
        """Everything that was decided, undone or not, in order."""
        with self._file.explaining("read"):
            rows = self._db.execute("SELECT id, what, made, undone FROM decision ORDER BY id").fetchall()
        return [Decision(*row) for row in rows]

    def pairs(self) -> dict[int, list[tuple[int, int, bool]]]:
        """The pairs of faces that each decision says are one person (True) or two, by decision, undone or not."""
        with self._file.explaining("read"):
            rows = self._db.execute("SELECT decision, a, b, together FROM bond ORDER BY rowid").fetchall()
        found: dict[int, list[tuple[int, int, bool]]] = {}
        for decision, a, b, together in rows:
            found.setdefault(decision, []).append((a, b, bool(together)))
        return found

    def names_given(self) -> dict[int, tuple[int, str]]:
        """The face and the name of each decision that names a cluster, by decision, undone or not."""
        with self._file.explaining("read"):
            rows = self._db.execute("SELECT decision, face, name FROM naming ORDER BY rowid").fetchall()
        return {decision: (face, name) for decision, face, name in rows}

    def next_cluster(self) -> int:
        """The first cluster number that was never used."""
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
