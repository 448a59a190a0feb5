"""Undo enrolments: the faces that they added are permanently deleted."""

import json
from dataclasses import dataclass

from facespace.deprecated import Renamed
from facespace.errors import GalleryError
from facespace.gallery.store import Store


@dataclass(frozen=True)
class UndoneEnrolment:
    """An enrolment that was undone.

    name : of the person
    faces : number of faces deleted
    gone : whether that enrolment had created the person, who was deleted too
    """

    name: str
    faces: int
    gone: bool

    person = Renamed("name")


def last_entry(store: Store) -> int:
    """Number of the last entry of the audit log; 0 if it is empty."""
    with store.reading():
        rows = store.sql.run("SELECT max(number) FROM audit")
    return int(rows[0][0] or 0)


def undo_enrolment(store: Store, name: str) -> UndoneEnrolment:
    """Undo the last enrolment of a person that was not undone yet; GalleryError if there is none.

    Faces that were moved to somebody else stay with them. Attributes are not changed.
    """
    person = store.find(name)
    own = [number for number, who, _ in _enrolments(store, 0) if who == person.id]
    if not own:
        raise GalleryError(f"there is no enrolment of {name!r} to undo in {store.where}")
    return _undo(store, own[-1:])[0]


def undo_enrolments_after(store: Store, number: int) -> list[UndoneEnrolment]:
    """Undo every enrolment after an entry of the audit log, the last one first."""
    return _undo(store, [entry for entry, _, _ in _enrolments(store, number)])


def _enrolments(store: Store, after: int) -> list[tuple[int, int, list[int]]]:
    """Number, person and faces of each enrolment that was not undone, oldest first."""
    with store.reading():
        rows = store.sql.run(
            "SELECT number, action, detail FROM audit WHERE action IN ('enrol', 'undo enrol') AND number > ? "
            "ORDER BY number",
            (after,),
        )
    found = [(number, action, json.loads(detail)) for number, action, detail in rows]
    undone = {detail["enrolment"] for _, action, detail in found if action == "undo enrol"}
    return [
        (number, detail["person"], detail["faces"])
        for number, action, detail in found
        if action == "enrol" and number not in undone and detail["faces"]
    ]


def _undo(store: Store, numbers: list[int]) -> list[UndoneEnrolment]:
    done = []
    wanted = set(numbers)
    with store.writing("undo an enrolment in"):
        earlier = _enrolments(store, 0)
        for number, person, faces in reversed(earlier):
            if number not in wanted:
                continue
            rows = store.sql.run("SELECT name FROM person WHERE id = ?", (person,))
            if not rows:
                continue
            name = store.columns.unseal_text(rows[0][0], "person.name")
            deleted = [
                face
                for face in faces
                if store.sql.run("DELETE FROM face WHERE id = ? AND person = ? RETURNING id", (face, person))
            ]
            left = store.sql.run("SELECT 1 FROM face WHERE person = ? LIMIT 1", (person,))
            merged = store.sql.run("SELECT 1 FROM merged WHERE into_person = ? LIMIT 1", (person,))
            first = not any(who == person and entry < number for entry, who, _ in earlier)
            gone = first and not left and not merged
            if gone:
                store.sql.run("DELETE FROM template WHERE person = ?", (person,))
                store.sql.run("DELETE FROM person WHERE id = ?", (person,))
                store.note_change(person)
            else:
                store.refresh_template(person)
            store.audit.add("undo enrol", {"enrolment": number, "person": person, "faces": deleted})
            done.append(UndoneEnrolment(name, len(deleted), gone))
    store.sql.forget_deleted()
    return done
