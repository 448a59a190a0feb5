"""Changes to people: they can be undone, and deleted data leave no trace."""

import json
from contextlib import suppress

import pytest
from points import NamedSpace, new_faces

from facespace.errors import GalleryError
from facespace.gallery import Gallery, backup, check


@pytest.fixture
def gallery(tmp_path):
    with Gallery(tmp_path / "people.db", NamedSpace()) as opened:
        for name in ("Ada", "Ben", "Cleo"):
            opened.store.add(name, new_faces(name, 2), {"of": name})
        yield opened


class Undo(Exception):
    """Raised to roll a transaction back."""


def names(gallery):
    return {person.name: person.faces for person in gallery.people()}


def test_a_renamed_person_keeps_id_and_faces(gallery):
    before = gallery.store.find("Ada")
    gallery.rename("Ada", "Augusta")
    assert gallery.store.find("Augusta").id == before.id
    assert gallery.identify("Ada/5")[0].name == "Augusta"
    with pytest.raises(GalleryError, match="merge the two instead"):
        gallery.rename("Ben", "Cleo")
    with pytest.raises(GalleryError, match="there is no 'Ada'"):
        gallery.rename("Ada", "X")


def test_undoing_a_merge_restores_name_id_and_attributes(gallery):
    before = gallery.people()
    gallery.merge("Ada", "Ben")
    assert names(gallery) == {"Ben": 4, "Cleo": 2}
    assert gallery.identify("Ada/5")[0].candidates[0].name == "Ben"
    assert gallery.undo_merge("Ben").name == "Ada"
    assert gallery.people() == before
    assert gallery.identify("Ada/5")[0].name == "Ada"
    with pytest.raises(GalleryError, match="nothing to undo"):
        gallery.undo_merge("Ben")
    check(gallery.store)


def test_nested_merges_are_undone_in_reverse_order(gallery):
    before = gallery.people()
    gallery.merge("Ada", "Ben")
    gallery.merge("Ben", "Cleo")
    assert names(gallery) == {"Cleo": 6}
    assert gallery.undo_merge("Cleo").name == "Ben"
    assert gallery.undo_merge("Ben").name == "Ada"
    assert gallery.people() == before


def test_faces_added_or_removed_since_a_merge_stay_where_they_are(gallery):
    gallery.merge("Ada", "Ben")
    # After the merge, a photo of one of the two looks unlike the person.
    gallery.enrol("Ben", "Ben/7", accept_doubtful=True)
    moved = gallery.faces("Ben")[0].id
    gallery.move(moved, "Cleo")
    gallery.undo_merge("Ben")
    assert sum(names(gallery).values()) == 7
    assert names(gallery)["Cleo"] == 3


def test_a_merge_is_not_undone_while_a_new_person_has_the_name(gallery):
    gallery.merge("Ada", "Ben")
    gallery.enrol("Ada", "Someone/1")
    with pytest.raises(GalleryError, match="rename them first, then undo"):
        gallery.undo_merge("Ben")
    gallery.rename("Ada", "Other")
    assert gallery.undo_merge("Ben").name == "Ada"


def test_nobody_is_merged_into_themselves(gallery):
    with pytest.raises(GalleryError, match="the same person"):
        gallery.merge("Ada", "Ada")


def test_a_moved_face_matches_its_new_person_and_the_old_person_stays(gallery):
    for face in gallery.faces("Ada"):
        gallery.move(face.id, "Dora")
    assert names(gallery) == {"Ada": 0, "Ben": 2, "Cleo": 2, "Dora": 2}
    assert gallery.identify("Ada/5")[0].name == "Dora"
    with pytest.raises(GalleryError, match="there is no face 999"):
        gallery.move(999, "Ada")
    check(gallery.store)


def test_a_removal_lists_backups_that_still_hold_the_person(gallery, tmp_path):
    backup(gallery.store, tmp_path / "copy.db")
    removal = gallery.remove("Ada")
    assert (removal.faces, removal.backups) == (2, (str(tmp_path / "copy.db"),))
    with Gallery(tmp_path / "copy.db", NamedSpace()) as copy:
        assert "Ada" in names(copy)


def test_a_clock_that_was_set_back_hides_no_backup_and_breaks_no_audit_log(gallery, tmp_path, monkeypatch):
    with monkeypatch.context() as ahead:
        ahead.setattr("facespace.gallery.store.now", lambda: "2099-01-01T00:00:00+00:00")
        ahead.setattr("facespace.gallery.audit._now", lambda: "2099-01-01T00:00:00.000+00:00")
        gallery.store.add("Dora", new_faces("Dora", 2))
    backup(gallery.store, tmp_path / "copy.db")
    assert gallery.remove("Dora").backups == (str(tmp_path / "copy.db"),)
    gallery.store.audit.verify()
    assert gallery.identify("Ada/5")[0].name == "Ada"


def test_a_removal_names_the_backups_that_hold_a_face_under_another_name(gallery, tmp_path, monkeypatch):
    backup(gallery.store, tmp_path / "copy.db")
    monkeypatch.setattr("facespace.gallery.store.now", lambda: "2099-01-01T00:00:00+00:00")
    gallery.move(gallery.faces("Ada")[0].id, "Enrolled later")
    assert gallery.remove("Enrolled later").backups == (str(tmp_path / "copy.db"),)


def test_removing_a_person_deletes_names_merged_into_them(gallery, tmp_path):
    gallery.rename("Ada", "Zanzibar")
    gallery.merge("Zanzibar", "Ben")
    gallery.merge("Ben", "Cleo")
    gallery.remove("Cleo")
    gallery.close()
    content = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    assert b"Zanzibar" not in content
    assert b"Cleo" not in content


def test_the_audit_log_records_actions_and_detects_tampering(gallery):
    gallery.merge("Ada", "Ben")
    gallery.undo_merge("Ben")
    gallery.remove("Cleo")
    events = list(gallery.audit())
    assert [event.action for event in events] == ["enrol"] * 3 + ["merge", "undo merge", "remove"]
    assert "Cleo" not in json.dumps([dict(event.detail) for event in events])
    noted = gallery.store.audit.verify().hash
    gallery.store.record("search", {"faces": 0})
    assert gallery.store.audit.verify(noted).number == 7
    sql = gallery.store.sql
    for change in (
        "UPDATE audit SET actor = 'nobody' WHERE number = 2",
        "DELETE FROM audit WHERE number = 3",
        "UPDATE audit SET number = 70 WHERE number = 7",
    ):
        with suppress(Undo), sql.writing("test"):
            sql.run(change)
            with pytest.raises(GalleryError, match="audit log .* was changed"):
                gallery.store.audit.verify()
            raise Undo
    with sql.writing("test"):
        sql.run("DELETE FROM audit WHERE number >= 6")
    gallery.store.audit.verify()
    with pytest.raises(GalleryError, match="no entry has the stored hash"):
        gallery.store.audit.verify(noted)
