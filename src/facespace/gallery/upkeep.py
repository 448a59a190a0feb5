"""Changes to who is who: rename, merge and take it back, move a face, delete for good."""

import json

from facespace.errors import GalleryError
from facespace.gallery.records import Removal
from facespace.gallery.store import Store, now


def rename(store: Store, old: str, new: str) -> None:
    """Give a person another name; GalleryError where somebody else has it."""
    person = store.find(old)
    if old == new:
        return
    with store.writing("rename in"):
        if store.sql.run("SELECT 1 FROM person WHERE name_key = ?", (store.name_key(new),)):
            raise GalleryError(f"there is a {new!r} in {store.where} already; merge the two instead")
        store.sql.run(
            "UPDATE person SET name = ?, name_key = ? WHERE id = ?",
            (store.seal_text(new, "person.name"), store.name_key(new), person.id),
        )
        store.audit.add("rename", {"person": person.id})


def merge(store: Store, name: str, into: str) -> int:
    """Two names were one person: give all faces of one to the other. `undo_merge` takes it back.

    Returns
    -------
    int
        The number of this merge.
    """
    one, other = store.find(name), store.find(into)
    if one.id == other.id:
        raise GalleryError(f"{name!r} cannot be merged into {into!r}: they are one person already")
    with store.writing("merge in"):
        rows = store.sql.run("SELECT name, name_key, attributes, created FROM person WHERE id = ?", (one.id,))
        if not rows:
            raise GalleryError(f"{name!r} was removed from {store.where} meanwhile")
        faces = [face for (face,) in store.sql.run("SELECT id FROM face WHERE person = ? ORDER BY id", (one.id,))]
        ((number,),) = store.sql.run(
            "INSERT INTO merged (person, into_person, name, name_key, attributes, created, faces, time) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
            (one.id, other.id, *rows[0], json.dumps(faces), now()),
        )
        store.sql.run("UPDATE face SET person = ? WHERE person = ?", (other.id, one.id))
        store.sql.run("DELETE FROM person WHERE id = ?", (one.id,))
        store.note_change(one.id)
        store.refresh_template(other.id)
        store.audit.add("merge", {"merge": number, "person": one.id, "into": other.id, "faces": faces})
    return int(number)


def undo_merge(store: Store, name: str) -> str:
    """Take back the last merge into a person; the name of who is their own again.

    They get back their name, number, attributes, and those of their faces that are still there.
    """
    person = store.find(name)
    with store.writing("undo a merge in"):
        rows = store.sql.run(
            "SELECT id, person, name, name_key, attributes, created, faces FROM merged WHERE into_person = ? "
            "ORDER BY id DESC LIMIT 1",
            (person.id,),
        )
        if not rows:
            raise GalleryError(f"nobody was merged into {name!r}: there is nothing to undo")
        number, other, sealed_name, key, attributes, created, faces = rows[0]
        if store.sql.run("SELECT 1 FROM person WHERE name_key = ?", (key,)):
            taken = store.unseal_text(sealed_name, "person.name")
            raise GalleryError(f"there is a new {taken!r} in {store.where}; rename them first, then undo")
        store.sql.run(
            "INSERT INTO person (id, name, name_key, attributes, created) VALUES (?, ?, ?, ?, ?)",
            (other, sealed_name, key, attributes, created),
        )
        for face in json.loads(faces):
            store.sql.run("UPDATE face SET person = ? WHERE id = ? AND person = ?", (other, face, person.id))
        store.sql.run("DELETE FROM merged WHERE id = ?", (number,))
        store.refresh_template(other)
        store.refresh_template(person.id)
        store.audit.add("undo merge", {"merge": number, "person": other, "from": person.id})
    return store.unseal_text(sealed_name, "person.name")


def merged_into(store: Store, name: str) -> list[str]:
    """Names of who was merged into a person, in that order."""
    person = store.find(name)
    with store.reading():
        rows = store.sql.run("SELECT name FROM merged WHERE into_person = ? ORDER BY id", (person.id,))
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


def move_face(store: Store, face: int, to: str) -> None:
    """Give one face to somebody else, who is made if unknown."""
    with store.writing("move a face in"):
        rows = store.sql.run("SELECT person FROM face WHERE id = ?", (face,))
        if not rows:
            raise GalleryError(f"there is no face {face} in {store.where}; `facespace gallery show NAME` lists them")
        person = store.person_id(to)
        store.sql.run("UPDATE face SET person = ? WHERE id = ?", (person, face))
        store.refresh_template(rows[0][0])
        store.refresh_template(person)
        store.audit.add("move", {"face": face, "from": rows[0][0], "to": person})


def remove(store: Store, name: str) -> Removal:
    """Delete a person and all their faces for good, overwriting them in the file.

    Returns
    -------
    Removal
        With the backups made before: they still hold the person, and are yours to delete.
    """
    person = store.find(name)
    with store.writing("remove from"):
        faces = [face for (face,) in store.sql.run("SELECT id FROM face WHERE person = ?", (person.id,))]
        store.sql.run("DELETE FROM person WHERE id = ?", (person.id,))
        store.note_change(person.id)
        _forget_merges(store, person.id)
        backups = store.sql.run("SELECT path FROM copy WHERE time >= ? ORDER BY time", (person.created,))
        store.audit.add("remove", {"person": person.id, "faces": faces})
    store.sql.forget_deleted()
    return Removal(name, len(faces), tuple(path for (path,) in backups))


def _forget_merges(store: Store, person: int) -> None:
    """Names of people merged into somebody, and into those, are kept to undo it: they go along."""
    waiting = [person]
    while waiting:
        into = waiting.pop()
        waiting += [other for (other,) in store.sql.run("SELECT person FROM merged WHERE into_person = ?", (into,))]
        store.sql.run("DELETE FROM merged WHERE into_person = ?", (into,))
