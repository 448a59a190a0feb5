"""The primary data of a gallery: people, their faces, one template per person, and a log of changes for indexes."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facespace.errors import GalleryError
from facespace.gallery.audit import Audit
from facespace.gallery.columns import FACE, PERSON, Columns, unlock
from facespace.gallery.encryption import Secret
from facespace.gallery.records import KeptFace, NewFace, PeoplePage, Person, Template
from facespace.gallery.sql import Sql, Sqlite
from facespace.metric import as_points, normalise, quantise
from facespace.validation import nearest_name

# Parameters per statement; SQLite allows 32,766, PostgreSQL 65,535.
_AT_ONCE = 500


def open_store(
    place: str | os.PathLike[str], space_id: str, dimension: int, secret: Secret | None = None, create: bool = True
) -> "Store":
    """Open a gallery's store, or create one.

    Parameters
    ----------
    place : path, or URL
        A SQLite file, created readable by its owner only; or postgresql://... (extra `postgres`).
    space_id : str
        The space whose embeddings it holds; a store of another space is refused.
    dimension : int
    secret : Secret or None
        Encrypts names, photos and embeddings. A gallery is encrypted from the start or not at all.
    create : bool
        Create the store if it does not exist; otherwise that is an error.

    Raises
    ------
    GalleryError
        It is not a gallery, is damaged, belongs to another space or a newer version, has another key, or cannot be
        opened.
    """
    if str(place).startswith(("postgresql://", "postgres://")):
        from facespace.gallery.postgres import Postgres

        return Store(Postgres(str(place), space_id, dimension, create), space_id, dimension, secret)
    return Store(Sqlite(Path(place), space_id, dimension, create), space_id, dimension, secret)


class Store:
    """People and faces in a database. Many processes may read while one writes; threads may share a store.

    Each change is one transaction that also updates the template, the audit log and the log of changes for indexes.
    """

    def __init__(self, sql: Sql, space_id: str, dimension: int, secret: Secret | None = None):
        self.sql, self.space_id, self.dimension = sql, space_id, dimension
        self.audit = Audit(sql, secret)
        self.columns = Columns(secret, sql.where, dimension)
        try:
            unlock(sql, secret)
            self._first_templates()
        except BaseException:
            sql.close()
            raise

    @property
    def where(self) -> str:
        """Path or name of the database, for messages."""
        return self.sql.where

    @property
    def sealed(self) -> bool:
        """Whether the store is encrypted."""
        return self.columns.secret is not None

    @property
    def read_only(self) -> bool:
        """Whether the store can only be read."""
        return self.sql.read_only

    def close(self) -> None:
        """Close the store. Nothing is lost: every acknowledged change is on disk."""
        self.sql.close()

    def discard_unused(self) -> bool:
        """Delete a file that opening it created and that is still empty; returns whether it was deleted.

        It is kept if another process has it open. If it is not deleted, it is still open.
        """
        if not self.sql.made:
            return False
        with self.reading():
            used = any(self.sql.run(f"SELECT 1 FROM {table} LIMIT 1") for table in ("person", "audit"))
        return not used and self.sql.discard()

    @contextmanager
    def writing(self, doing: str) -> Iterator[None]:
        """Run one transaction; refused if another process moved the gallery to another space."""
        with self.sql.writing(doing):
            self.check_space()
            yield

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Read; database errors become GalleryErrors."""
        with self.sql.reading():
            yield

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Read a consistent snapshot, whatever others change meanwhile."""
        with self.sql.snapshot():
            yield

    def version(self) -> object:
        """Value that changes whenever a template or the space changes."""
        with self.reading():
            return self.sql.run("SELECT (SELECT max(number) FROM change), (SELECT id FROM space)")[0]

    def check_space(self) -> None:
        """Raise GalleryError if the gallery was moved to another space since it was opened."""
        if self.sql.space() != self.space_id:
            raise GalleryError(
                f"{self.where} was upgraded to another model while it was open; open it again with that model"
            )

    def add(
        self, name: str, faces: Sequence[NewFace], attributes: Mapping[str, Any] | None = None
    ) -> tuple[int, list[int]]:
        """Add faces to a person, who is created if unknown: all of them or, on any error, none.

        Returns
        -------
        person, faces : their ids
        """
        return self.add_all([(name, faces, attributes)])[0]

    def add_all(
        self, people: Iterable[tuple[str, Sequence[NewFace], Mapping[str, Any] | None]]
    ) -> list[tuple[int, list[int]]]:
        """Add faces to many people in one transaction; as `add`."""
        done = []
        with self.writing("enrol into"):
            for name, faces, attributes in people:
                person = self.person_id(name, attributes)
                ids = self._insert_faces(person, faces)
                self.refresh_template(person)
                self.audit.add("enrol", {"person": person, "faces": ids})
                done.append((person, ids))
        return done

    def people(self) -> list[Person]:
        """List everybody, by name."""
        return sorted(self._people(""), key=lambda person: person.name)

    def page(self, search: str | None, offset: int, limit: int) -> PeoplePage:
        """Some people whose names contain a text, ignoring case, by name."""
        with self.snapshot():
            rows = self.sql.run("SELECT name, id FROM person")
            named = sorted((self.columns.unseal_text(name, "person.name"), number) for name, number in rows)
            wanted = (search or "").casefold()
            found = [number for name, number in named if wanted in name.casefold()]
            shown = self.by_ids(found[offset : offset + limit])
        people = [shown[number] for number in found[offset : offset + limit]]
        return PeoplePage(people, len(found), offset + limit if offset + limit < len(found) else None)

    def count(self) -> int:
        """Number of people who can be recognised: those with a template."""
        with self.reading():
            return int(self.sql.run("SELECT count(*) FROM template")[0][0])

    def find(self, name: str) -> Person:
        """Return the person with this name; the GalleryError for an unknown name suggests the nearest known one."""
        found = self.people_named(name)
        if not found:
            known = [person.name for person in self.people()]
            raise GalleryError(f"there is no {name!r} in {self.where}{nearest_name(name, known)}")
        return found[0]

    def people_named(self, name: str) -> list[Person]:
        """People with this name: one, or none."""
        return self._people("WHERE person.name_key = ?", (self.columns.name_key(name),))

    def by_ids(self, ids: Iterable[int]) -> dict[int, Person]:
        """People by id; unknown ids are left out."""
        found: dict[int, Person] = {}
        wanted = sorted(set(ids))
        for start in range(0, len(wanted), _AT_ONCE):
            part = wanted[start : start + _AT_ONCE]
            places = ", ".join("?" * len(part))
            found |= {person.id: person for person in self._people(f"WHERE person.id IN ({places})", part)}
        return found

    def faces(self, person: int | None = None) -> list[KeptFace]:
        """Faces of a person, or of everybody, in the order they were added."""
        where, values = ("", ()) if person is None else ("WHERE person = ?", (person,))
        with self.reading():
            rows = self.sql.run(f"SELECT {FACE} FROM face {where} ORDER BY id", values)
        return [self.columns.kept(row) for row in rows]

    def faces_of(self, people: Sequence[int]) -> list[KeptFace]:
        """Faces of some people, ordered by person."""
        places = ", ".join("?" * len(people))
        with self.reading():
            rows = self.sql.run(f"SELECT {FACE} FROM face WHERE person IN ({places}) ORDER BY person, id", people)
        return [self.columns.kept(row) for row in rows]

    def outdated(self) -> bool:
        """Whether some faces were embedded by another model than the gallery's."""
        with self.reading():
            return bool(self.sql.run("SELECT 1 FROM face WHERE model <> ? LIMIT 1", (self.space_id,)))

    def unrenewed(self, space_id: str) -> list[KeptFace]:
        """Faces embedded by other models than `space_id` that no upgrade has re-embedded yet."""
        with self.reading():
            rows = self.sql.run(
                f"SELECT {FACE} FROM face WHERE model <> ? AND id NOT IN (SELECT face FROM renewed) ORDER BY id",
                (space_id,),
            )
        return [self.columns.kept(row) for row in rows]

    def move_to(self, space_id: str, dimension: int) -> None:
        """Assign the store to another space, in the transaction that replaces all its embeddings."""
        self.space_id, self.dimension = space_id, dimension
        self.columns = replace(self.columns, dimension=dimension)

    def templates_since(self, number: int, limit: int | None = None) -> tuple[int, list[Template], list[int]]:
        """Changes that an index must apply.

        Parameters
        ----------
        number : int
            The last change that the index has applied; 0 for none.
        limit : int or None
            Number of changes to return at most; None for all.

        Returns
        -------
        number : int
            The last change that was returned, or `number` if there is none.
        templates : list of Template
            New or changed ones.
        gone : list of int
            People who no longer have a template.
        """
        with self.reading():
            self.check_space()
            rows = self.sql.run(
                "SELECT change.number, change.person, template.faces, template.length, template.code FROM change "
                "LEFT JOIN template ON template.person = change.person WHERE change.number > ? ORDER BY change.number"
                + ("" if limit is None else f" LIMIT {int(limit)}"),
                (number,),
            )
        templates = [
            Template(person, faces, length, self.columns.code(code))
            for _, person, faces, length, code in rows
            if code is not None
        ]
        return rows[-1][0] if rows else number, templates, [row[1] for row in rows if row[4] is None]

    def last_change(self) -> int:
        """The number of the last change of a template; 0 for none."""
        with self.reading():
            return int(self.sql.run("SELECT coalesce(max(number), 0) FROM change")[0][0])

    def template_codes(self, people: Sequence[int]) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
        """The quantised templates of some people, by id: ids, shape (n,), rising, and codes, shape (n, d)."""
        found: dict[int, NDArray[np.int8]] = {}
        for start in range(0, len(people), _AT_ONCE):
            part = [int(i) for i in people[start : start + _AT_ONCE]]
            with self.reading():
                rows = self.sql.run(
                    f"SELECT person, code FROM template WHERE person IN ({', '.join('?' * len(part))})", part
                )
            found |= {int(person): self.columns.code(code) for person, code in rows}
        ids = np.array(sorted(found), np.int64)
        codes = np.array([found[person] for person in ids.tolist()], np.int8).reshape(-1, self.dimension)
        return ids, codes

    def setting(self, name: str, first: str = "") -> str:
        """The value of a setting. If it has none, `first` becomes its value; an empty text is none."""
        with self.reading():
            found = self.sql.run("SELECT value FROM setting WHERE name = ?", (name,))
        if not found and first:
            with self.writing("write the settings of"):
                self.sql.run("INSERT INTO setting (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING", (name, first))
                found = self.sql.run("SELECT value FROM setting WHERE name = ?", (name,))
        return str(found[0][0]) if found else ""

    def change_setting(self, name: str, value: str) -> None:
        """Set a value that all processes with the gallery open can read; an empty text removes it."""
        with self.writing("write the settings of"):
            self.sql.run("DELETE FROM setting WHERE name = ?", (name,))
            if value:
                self.sql.run("INSERT INTO setting (name, value) VALUES (?, ?)", (name, value))

    def some_templates(self, limit: int) -> list[Template]:
        """Templates of everybody, or of about `limit` people; the choice is deterministic."""
        with self.reading():
            (everybody,) = self.sql.run("SELECT count(*) FROM template")[0]
            # Multiplying by an odd number spreads the ids, which are consecutive, evenly over the residues.
            rows = self.sql.run(
                "SELECT person, faces, length, code FROM template WHERE (person * 40503) % 65536 < ? ORDER BY person",
                (65536 * min(1.0, limit / max(1, everybody)),),
            )
        return [Template(person, faces, length, self.columns.code(code)) for person, faces, length, code in rows]

    def first_faces(self, people: Sequence[int]) -> dict[int, NDArray[np.float32]]:
        """Embedding of the first face of each of some people."""
        found: dict[int, NDArray[np.float32]] = {}
        for start in range(0, len(people), _AT_ONCE):
            part = list(people[start : start + _AT_ONCE])
            with self.reading():
                rows = self.sql.run(
                    "SELECT person, original FROM face WHERE id IN (SELECT min(id) FROM face "
                    f"WHERE person IN ({', '.join('?' * len(part))}) GROUP BY person)",
                    part,
                )
            found |= {person: self.columns.point(original) for person, original in rows}
        return found

    def template_facts(self, ids: Sequence[int]) -> dict[int, tuple[int, float]]:
        """Number of faces and length of the template of each of some people."""
        facts: dict[int, tuple[int, float]] = {}
        for start in range(0, len(ids), _AT_ONCE):
            part = [int(i) for i in ids[start : start + _AT_ONCE]]
            with self.reading():
                rows = self.sql.run(
                    f"SELECT person, faces, length FROM template WHERE person IN ({', '.join('?' * len(part))})", part
                )
            facts |= {person: (faces, length) for person, faces, length in rows}
        return facts

    def person_of(self, face: int) -> int | None:
        """Id of the person of a face; None if the face does not exist."""
        with self.reading():
            rows = self.sql.run("SELECT person FROM face WHERE id = ?", (face,))
        return int(rows[0][0]) if rows else None

    def picture(self, face: int) -> bytes | None:
        """Stored picture of a face, WebP; None if there is none."""
        with self.reading():
            rows = self.sql.run("SELECT content FROM picture WHERE face = ?", (face,))
        return self.columns.unseal(rows[0][0], "picture.content") if rows else None

    def pictured(self, people: Iterable[int]) -> dict[int, list[int]]:
        """Faces with a stored picture, for each of some people; people without one are left out."""
        found: dict[int, list[int]] = {}
        wanted = sorted(set(people))
        for start in range(0, len(wanted), _AT_ONCE):
            part = wanted[start : start + _AT_ONCE]
            with self.reading():
                rows = self.sql.run(
                    "SELECT face.person, face.id FROM face JOIN picture ON picture.face = face.id "
                    f"WHERE face.person IN ({', '.join('?' * len(part))}) ORDER BY face.id",
                    part,
                )
            for person, face in rows:
                found.setdefault(person, []).append(face)
        return found

    def record(self, action: str, *details: Mapping[str, Any]) -> None:
        """Add entries to the audit log for actions that changed no data, such as searches."""
        with self.writing("write the audit log of"):
            for detail in details:
                self.audit.add(action, detail)

    def refresh_template(self, person: int) -> None:
        """Recompute a person's template, in a transaction; a person without faces has none."""
        rows = self.sql.run("SELECT original FROM face WHERE person = ? ORDER BY id", (person,))
        self.sql.run("DELETE FROM template WHERE person = ?", (person,))
        if rows:
            points = np.stack([self.columns.point(original) for (original,) in rows])
            mean = points.astype(np.float64).mean(axis=0)
            length = float(np.linalg.norm(mean))
            # Faces that cancel out have no mean direction; the first face represents them, and matches will be rare.
            direction = mean if length > 1e-6 else points[0]
            code = self.columns.seal(quantise(normalise(direction[None]))[0].tobytes(), "template.code")
            self.sql.run(
                "INSERT INTO template (person, faces, length, code) VALUES (?, ?, ?, ?)",
                (person, len(rows), max(length, 1e-6), code),
            )
        self.note_change(person)

    def note_change(self, person: int) -> None:
        """Make the indexes read a person's template again; call it in a transaction."""
        self.sql.run("DELETE FROM change WHERE person = ?", (person,))
        self.sql.run("INSERT INTO change (person) VALUES (?)", (person,))

    def person_id(self, name: str, attributes: Mapping[str, Any] | None = None) -> int:
        """Id of the person with this name, created if unknown; call it in a transaction."""
        key = self.columns.name_key(name)
        found = self.sql.run("SELECT id FROM person WHERE name_key = ?", (key,))
        if not found:
            found = self.sql.run(
                "INSERT INTO person (name, name_key, attributes, created) VALUES (?, ?, ?, ?) RETURNING id",
                (self.columns.seal_text(name, "person.name"), key, self.columns.attributes(attributes or {}), now()),
            )
        elif attributes is not None:
            self.set_attributes(found[0][0], attributes)
        return int(found[0][0])

    def set_attributes(self, person: int, attributes: Mapping[str, Any]) -> None:
        """Replace a person's attributes; call it in a transaction."""
        self.sql.run("UPDATE person SET attributes = ? WHERE id = ?", (self.columns.attributes(attributes), person))

    def _insert_faces(self, person: int, faces: Sequence[NewFace]) -> list[int]:
        if not faces:
            return []
        points = as_points([face.embedding for face in faces], self.dimension, "embeddings of faces")
        values = self.columns.originals(points)
        numbers = [
            int(
                self.sql.run(
                    'INSERT INTO face (person, photo, "left", top, "right", bottom, quality, original, '
                    "model, created) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
                    (
                        person,
                        self.columns.seal_text(face.photo, "face.photo"),
                        *map(float, face.box),
                        None if face.quality is None else float(face.quality),
                        value,
                        self.space_id,
                        now(),
                    ),
                )[0][0]
            )
            for face, value in zip(faces, values, strict=True)
        ]
        for number, face in zip(numbers, faces, strict=True):
            if face.picture is not None:
                content = self.columns.seal(face.picture, "picture.content")
                self.sql.run("INSERT INTO picture (face, content) VALUES (?, ?)", (number, content))
        return numbers

    def _people(self, where: str, values: Sequence[object] = ()) -> list[Person]:
        with self.reading():
            rows = self.sql.run(
                f"SELECT {PERSON} FROM person LEFT JOIN face ON face.person = person.id {where} GROUP BY person.id",
                values,
            )
        return [self.columns.person(row) for row in rows]

    def _first_templates(self) -> None:
        """Compute the templates of a gallery from an older version, which has none."""
        with self.reading():
            if self.sql.run("SELECT 1 FROM setting WHERE name = 'templates'"):
                return
        with self.sql.writing("open"):
            for (person,) in self.sql.run("SELECT DISTINCT person FROM face"):
                self.refresh_template(person)
            self.sql.run("INSERT INTO setting (name, value) VALUES ('templates', '1') ON CONFLICT DO NOTHING")


def now() -> str:
    """The current time in UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
