"""Changes to who is who, by id: rename, merge and take it back, move a face, delete for good."""

import json
from collections.abc import Mapping
from typing import Any

from facespace.errors import GalleryError, UnknownPersonError
from facespace.gallery.records import KeptFace, Person, Removal
from facespace.gallery.store import Store, now


def faces_of(store: Store, person: int) -> list[KeptFace]:
    """The faces of a person, in the order they were kept."""
    with store.reading():
        _known(store, person)
        return store.faces(person)


def change(store: Store, person: int, name: str | None = None, attributes: Mapping[str, Any] | None = None) -> Person:
    """Give a person another name, other attributes, or both; GalleryError, and no change, where the name is taken."""
    with store.writing("change"):
        known = _known(store, person)
        if attributes is not None:
            store.set_attributes(person, attributes)
        if name is not None and name != known.name:
            if store.sql.run("SELECT 1 FROM person WHERE name_key = ?", (store.name_key(name),)):
                raise GalleryError(f"there is a {name!r} in {store.where} already; merge the two instead")
            store.sql.run(
                "UPDATE person SET name = ?, name_key = ? WHERE id = ?",
                (store.seal_text(name, "person.name"), store.name_key(name), person),
            )
            store.audit.add("rename", {"person": person})
        elif attributes is not None:
            store.audit.add("change", {"person": person})
        return _known(store, person)


def merge(store: Store, person: int, into: int) -> Person:
    """Two people were one: give all faces of one to the other. `undo_merge` takes it back.

    Returns
    -------
    Person
        Who has all faces now.
    """
    with store.writing("merge in"):
        one, other = _known(store, person), _known(store, into)
        if one.id == other.id:
            raise GalleryError(f"{one.name!r} cannot be merged into {other.name!r}: they are one person already")
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
    """Take back the last merge into a person; who is their own again.

    They get back their name, id, attributes, and those of their faces that are still there.
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
            taken = store.unseal_text(sealed_name, "person.name")
            raise GalleryError(f"there is a new {taken!r} in {store.where}; rename them first, then undo")
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
    """Names of who was merged into a person, in that order."""
    with store.reading():
        _known(store, person)
        rows = store.sql.run("SELECT name FROM merged WHERE into_person = ? ORDER BY id", (person,))
    return [store.unseal_text(sealed, "person.name") for (sealed,) in rows]


def remove_face(store: Store, face: int) -> None:
    """Delete one face for good, overwriting it in the file."""
    with store.writing("remove from"):
        rows = store.sql.run("DELETE FROM face WHERE id = ? RETURNING person", (face,))
        if not rows:
            raise GalleryError(f"there is no face {face} in {store.where}; `facespace gallery show NAME` lists them")
        store.refresh_template(rows[0][0])
        store.audit.add("remove face", {"person": rows[0][0], "face": face})
    store.sql.forget_deleted()


def move_face(store: Store, face: int, to: int | str) -> int:
    """Give one face to somebody else: an id, or a name, which is made if unknown; the id of who has it now."""
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
    """Delete a person and all their faces for good, overwriting them in the file.

    Returns
    -------
    Removal
        With the backups made before: they still hold the person, and are yours to delete.
    """
    with store.writing("remove from"):
        known = _known(store, person)
        rows = store.sql.run("SELECT id, created FROM face WHERE person = ?", (person,))
        faces = [face for face, _ in rows]
        # Faces that came from somebody else by a merge or a move may be older than the person.
        since = min([known.created, *(created for _, created in rows)])
        store.sql.run("DELETE FROM person WHERE id = ?", (person,))
        store.note_change(person)
        _forget_merges(store, person)
        backups = store.sql.run("SELECT path FROM copy WHERE time >= ? ORDER BY time", (since,))
        store.audit.add("remove", {"person": person, "faces": faces})
    overwritten = store.sql.forget_deleted()
    return Removal(known.name, len(faces), tuple(path for (path,) in backups), overwritten)


def _known(store: Store, person: int) -> Person:
    """Somebody by id; GalleryError where there is nobody, or nobody any more."""
    found = store.by_ids([person]).get(person)
    if found is None:
        raise UnknownPersonError(f"there is nobody with the id {person} in {store.where}")
    return found


def _forget_merges(store: Store, person: int) -> None:
    """Names of people merged into somebody, and into those, are kept to undo it: they go along."""
    waiting = [person]
    while waiting:
        into = waiting.pop()
        waiting += [other for (other,) in store.sql.run("SELECT person FROM merged WHERE into_person = ?", (into,))]
        store.sql.run("DELETE FROM merged WHERE into_person = ?", (into,))
