"""Maintenance of a gallery's file: backups while it is in use, an integrity check, and recovery from damage."""

import os
import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facespace.errors import GalleryError
from facespace.files import replacing
from facespace.gallery.records import NewFace
from facespace.gallery.sql import Sqlite
from facespace.gallery.store import Store, now
from facespace.images import text_of

# Pages copied at a time; others can write in between.
_PAGES = 1000


@dataclass(frozen=True)
class Checked:
    """Result of a check of a sound gallery: how many people, faces, templates and audit entries were checked."""

    people: int
    faces: int
    templates: int
    audited: int
    audit_hash: str


@dataclass(frozen=True)
class Salvaged:
    """What was recovered from a damaged gallery, and how many faces were lost."""

    people: int
    faces: int
    lost: int


def backup(store: Store, path: str | os.PathLike[str]) -> None:
    """Copy a gallery's file while it is in use. The copy appears when it is complete, and the gallery records its path.

    Raises
    ------
    GalleryError
        The copy exists already or cannot be written; or the gallery is in PostgreSQL, which has pg_dump.
    """
    sql, path = store.sql, Path(path).absolute()
    if not isinstance(sql, Sqlite):
        raise GalleryError(f"{store.where} is not a file: back it up with pg_dump")
    if path.exists():
        raise GalleryError(f"{path} exists already; name a new file, because a backup never overwrites one")
    # The path is recorded first: if the copy is interrupted, at worst a file is listed that does not exist.
    with store.writing("back up"):
        # A clock that was set back does not make the copy older than the people in it: a removal must name this copy.
        latest = sql.run("SELECT max(created) FROM (SELECT created FROM person UNION ALL SELECT created FROM face)")
        time = max(now(), latest[0][0] or "")
        sql.run("INSERT INTO copy (path, time) VALUES (?, ?) ON CONFLICT DO NOTHING", (text_of(path), time))
        store.audit.add("backup", {})
    try:
        # Uses its own connection, so that threads of this process can continue to search.
        with (
            replacing(path, private=True) as partial,
            closing(sqlite3.connect(sql.path)) as source,
            closing(sqlite3.connect(partial)) as target,
        ):
            source.backup(target, pages=_PAGES, sleep=0.001)
    except (OSError, sqlite3.Error) as error:
        raise GalleryError(
            f"cannot back up {store.where} to {path}: {error}; check the path and the free space"
        ) from None


def check(store: Store) -> Checked:
    """Check everything: the file's structure, each face, each template against its faces, the audit log.

    Raises
    ------
    GalleryError
        A check failed; the message says what is wrong and what to do.
    """
    sql = store.sql
    if isinstance(sql, Sqlite):
        with store.reading():
            found = [row[0] for row in sql.run("PRAGMA integrity_check(3)")]
            orphans = sql.run("PRAGMA foreign_key_check")
        if found != ["ok"] or orphans:
            reasons = "; ".join(found if found != ["ok"] else ["rows refer to rows that do not exist"])
            raise GalleryError(
                f"{store.where} is damaged: {reasons}; restore a backup, or recover what is readable: "
                "facespace gallery salvage"
            )
    counted: dict[int, int] = {}
    for face in store.faces():
        if not np.isfinite(face.embedding).all():
            raise GalleryError(f"face {face.id} of {store.where} is damaged; remove it or restore a backup")
        counted[face.person_id] = counted.get(face.person_id, 0) + 1
    _, templates, _ = store.templates_since(0)
    if {template.person_id: template.faces for template in templates} != counted:
        raise GalleryError(f"the templates of {store.where} do not match its faces; export and import the gallery")
    last = store.audit.verify()
    return Checked(
        len(store.people()),
        sum(counted.values()),
        len(templates),
        last.number if last else 0,
        last.hash if last else "",
    )


def salvage(path: str | os.PathLike[str], into: Store) -> Salvaged:
    """Recover what is readable in a damaged file, face by face, into another gallery.

    Parameters
    ----------
    path : path
        A damaged gallery, not encrypted; it is only read.
    into : Store
        An empty gallery of the same space.
    """
    if into.people():
        raise GalleryError(f"{into.where} is not empty; salvage into a new gallery")
    try:
        damaged = sqlite3.connect(f"file:{Path(path).absolute()}?mode=ro", uri=True)
    except sqlite3.Error as error:
        raise GalleryError(f"cannot open {path}: {error}; check the path") from None
    people: dict[int, list[NewFace]] = {}
    names: dict[int, str] = {}
    lost = 0
    with closing(damaged):
        for face in range(1, _last(damaged, "face") + 1):
            try:
                row = damaged.execute(
                    'SELECT person, photo, "left", top, "right", bottom, quality, original FROM face WHERE id = ?',
                    (face,),
                ).fetchone()
                if row is None:
                    continue
                person, photo, left, top, right, bottom, quality, original = row
                point = np.frombuffer(original, np.float16).astype(np.float32)
                if person not in names:
                    names[person] = _name(damaged, person)
                if len(point) != into.dimension or not np.isfinite(point).all() or not point.any():
                    raise ValueError
            except (sqlite3.Error, ValueError, TypeError):
                lost += 1
                continue
            people.setdefault(person, []).append(NewFace(str(photo), (left, top, right, bottom), point, quality))
    into.add_all([(names[person], faces, None) for person, faces in people.items()])
    return Salvaged(len(people), sum(map(len, people.values())), lost)


def _name(damaged: sqlite3.Connection, person: int) -> str:
    try:
        return str(damaged.execute("SELECT name FROM person WHERE id = ?", (person,)).fetchone()[0])
    except (sqlite3.Error, TypeError):
        return f"person {person}"


def _last(damaged: sqlite3.Connection, table: str) -> int:
    """The largest id of a table, from whichever source is still readable."""
    largest = 0
    for statement in (f"SELECT seq FROM sqlite_sequence WHERE name = '{table}'", f"SELECT max(id) FROM {table}"):
        with suppress(sqlite3.Error, TypeError, ValueError):
            largest = max(largest, int(damaged.execute(statement).fetchone()[0]))
    return largest
