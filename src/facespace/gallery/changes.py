"""Changes to people, by id: rename, merge and undo, move a face, delete."""

import json
from collections.abc import Mapping
from typing import Any

from facespace.errors import GalleryError, UnknownPersonError
from facespace.gallery.records import KeptFace, Person, Removal
from facespace.gallery.store import Store, now


def faces_of(store: Store, person: int) -> list[KeptFace]:
    """Faces of a person, in the order they were added."""
    with store.reading():
        _known(store, person)
        return store.faces(person)


def change(store: Store, person: int, name: str | None = None, attributes: Mapping[str, Any] | None = None) -> Person:
    """Change a person's name, attributes, or both; GalleryError, and no change, if the name is taken."""
    with store.writing("change"):
        known = _known(store, person)
        if attributes is not None:
            store.set_attributes(person, attributes)
        if name is not None and name != known.name:
            if store.sql.run("SELECT 1 FROM person WHERE name_key = ?", (store.columns.name_key(name),)):
                raise GalleryError(f"{store.where} already has a person named {name!r}; merge the two instead")
            store.sql.run(
                "UPDATE person SET name = ?, name_key = ? WHERE id = ?",
                (store.columns.seal_text(name, "person.name"), store.columns.name_key(name), person),
            )
            store.audit.add("rename", {"person": person})
        elif attributes is not None:
            store.audit.add("change", {"person": person})
        return _known(store, person)


def merge(store: Store, person: int, into: int) -> Person:
    """Merge two entries of one person: move all faces to `into`. `undo_merge` reverts it.

    Returns
    -------
    Person
        The person who has all faces now.
    """
    with store.writing("merge in"):
        one, other = _known(store, person), _known(store, into)
        if one.id == other.id:
            raise GalleryError(f"{one.name!r} cannot be merged into {other.name!r}: they are the same person")
        (row,) = store.sql.run("SELECT name, name_key, attributes, created FROM person WHERE id = ?", (one.id,))
        faces = [face for (face,) in store.sql.run("SELECT id FROM face WHERE person = ? ORDER BY id", (one.id,))]
        ((number,),) = store.sql.run(
            "INSERT INTO merged (person, into_person, name, name_key, attributes, created, faces, time) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
            (one.id, other.id, *row, json.dumps(faces), now()),
        )
        store.sql.run("UPDATE face SET person = ? WHERE person = ?", (other.id, one.id))
        store.sql.run("DELETE FROM person WHERE id = ?", (one.id,))
        store.note_change(one.id)
        store.refresh_template(other.id)
        store.audit.add("merge", {"merge": number, "person": one.id, "into": other.id, "faces": faces})
        return _known(store, other.id)


def undo_merge(store: Store, person: int) -> Person:
    """Undo the last merge into a person; returns the person who is separate again.

    They get back their name, id, attributes, and those of their faces that still exist.
    """
    with store.writing("undo a merge in"):
        known = _known(store, person)
        rows = store.sql.run(
            "SELECT id, person, name, name_key, attributes, created, faces FROM merged WHERE into_person = ? "
            "ORDER BY id DESC LIMIT 1",
            (person,),
        )
        if not rows:
            raise GalleryError(f"nobody was merged into {known.name!r}: there is nothing to undo")
        number, other, sealed_name, key, attributes, created, faces = rows[0]
        if store.sql.run("SELECT 1 FROM person WHERE name_key = ?", (key,)):
            taken = store.columns.unseal_text(sealed_name, "person.name")
            raise GalleryError(f"there is a new {taken!r} in {store.where}; rename them first, then undo the merge")
        store.sql.run(
            "INSERT INTO person (id, name, name_key, attributes, created) VALUES (?, ?, ?, ?, ?)",
            (other, sealed_name, key, attributes, created),
        )
        for face in json.loads(faces):
            store.sql.run("UPDATE face SET person = ? WHERE id = ? AND person = ?", (other, face, person))
        store.sql.run("DELETE FROM merged WHERE id = ?", (number,))
        store.refresh_template(other)
        store.refresh_template(person)
        store.audit.add("undo merge", {"merge": number, "person": other, "from": person})
        return _known(store, other)


def merged_into(store: Store, person: int) -> list[str]:
    """Names of people merged into a person, oldest merge first."""
    with store.reading():
        _known(store, person)
        rows = store.sql.run("SELECT name FROM merged WHERE into_person = ? ORDER BY id", (person,))
    return [store.columns.unseal_text(sealed, "person.name") for (sealed,) in rows]


def remove_face(store: Store, face: int) -> None:
    """Permanently delete one face, overwriting it in the file."""
    with store.writing("remove from"):
        rows = store.sql.run("DELETE FROM face WHERE id = ? RETURNING person", (face,))
        if not rows:
            raise GalleryError(f"there is no face {face} in {store.where}; `facespace gallery show NAME` lists them")
        store.refresh_template(rows[0][0])
        store.audit.add("remove face", {"person": rows[0][0], "face": face})
    store.sql.forget_deleted()


def move_face(store: Store, face: int, to: int | str) -> int:
    """Move one face to a person, given by id, or by name (created if unknown); returns the person's id."""
    with store.writing("move a face in"):
        rows = store.sql.run("SELECT person FROM face WHERE id = ?", (face,))
        if not rows:
            raise GalleryError(f"there is no face {face} in {store.where}; `facespace gallery show NAME` lists them")
        person = store.person_id(to) if isinstance(to, str) else _known(store, to).id
        store.sql.run("UPDATE face SET person = ? WHERE id = ?", (person, face))
        store.refresh_template(rows[0][0])
        store.refresh_template(person)
        store.audit.add("move", {"face": face, "from": rows[0][0], "to": person})
    return person


def remove(store: Store, person: int) -> Removal:
    """Permanently delete a person and all their faces, overwriting them in the file.

    Returns
    -------
    Removal
        Lists earlier backups: they still hold the person, and deleting them is up to you.
    """
    with store.writing("remove from"):
        known = _known(store, person)
        rows = store.sql.run("SELECT id, created FROM face WHERE person = ?", (person,))
        faces = [face for face, _ in rows]
        # Faces that were moved here, or came with a merge, may be older than the person.
        since = min([known.created, *(created for _, created in rows)])
        store.sql.run("DELETE FROM person WHERE id = ?", (person,))
        store.note_change(person)
        _forget_merges(store, person)
        backups = store.sql.run("SELECT path FROM copy WHERE time >= ? ORDER BY time", (since,))
        store.audit.add("remove", {"person": person, "faces": faces})
    overwritten = store.sql.forget_deleted()
    return Removal(known.name, len(faces), tuple(path for (path,) in backups), overwritten)


def _known(store: Store, person: int) -> Person:
    """Return a person by id; UnknownPersonError if there is none."""
    found = store.by_ids([person]).get(person)
    if found is None:
        raise UnknownPersonError(f"there is no person with the id {person} in {store.where}")
    return found


def _forget_merges(store: Store, person: int) -> None:
    """Delete the records of merges into a person, recursively: they hold names to restore on undo."""
    waiting = [person]
    while waiting:
        into = waiting.pop()
        waiting += [other for (other,) in store.sql.run("SELECT person FROM merged WHERE into_person = ?", (into,))]
        store.sql.run("DELETE FROM merged WHERE into_person = ?", (into,))
