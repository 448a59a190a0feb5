"""Many threads on one gallery, and read-only files."""

import os
import sqlite3
import tempfile
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from concurrency import change_from_many_threads
from points import DIMENSION, SPACE, NamedSpace, new_faces

from facespace.errors import GalleryError, UnknownPersonError
from facespace.gallery import Gallery, open_store

NOBODY = 65534


def test_many_threads_change_and_search_without_an_error_and_removed_names_are_gone(tmp_path):
    counts = change_from_many_threads(tmp_path / "people.db", 3, writers=3, readers=2)
    assert (counts.rounds, counts.removals) == (9, 18)
    assert counts.searches > 0
    assert counts.errors == []
    assert counts.left_behind == []


def test_a_removal_reports_that_a_reader_delays_overwriting_and_the_next_change_completes_it(tmp_path, monkeypatch):
    monkeypatch.setattr("facespace.database.BUSY_SECONDS", 0.05)
    path, log = tmp_path / "people.db", tmp_path / "people.db-wal"
    with (
        Gallery(path, NamedSpace()) as gallery,
        closing(open_store(path, SPACE, DIMENSION)) as other,
    ):
        gallery.store.add("Ada Lovelace", new_faces("Ada"))
        with other.snapshot():
            assert [person.name for person in other.people()] == ["Ada Lovelace"]
            assert not gallery.remove("Ada Lovelace").overwritten
            assert gallery.people() == []
            assert len(other.people()) == 1
        assert b"Ada Lovelace" in log.read_bytes()
        gallery.store.add("Ben", new_faces("Ben"))
        assert b"Ada Lovelace" not in log.read_bytes()
        assert gallery.remove("Ben").overwritten


def test_a_snapshot_is_consistent_and_a_transaction_sees_its_own_changes(tmp_path):
    with (
        closing(open_store(tmp_path / "people.db", SPACE, DIMENSION)) as store,
        closing(open_store(tmp_path / "people.db", SPACE, DIMENSION)) as other,
    ):
        with store.snapshot():
            assert store.people() == []
            other.add("Ada", new_faces("Ada"))
            assert store.people() == []
        assert len(store.people()) == 1
        with store.writing("test"):
            store.person_id("Ben")
            assert len(store.people()) == 2
            assert len(other.people()) == 1


def test_methods_take_ids_so_a_name_reassigned_meanwhile_does_no_harm(tmp_path):
    with Gallery(tmp_path / "people.db", NamedSpace()) as gallery:
        seven, nine = (gallery.store.add(name, new_faces(name))[0] for name in ("Seven", "Nine"))
        gallery.rename(seven, "Retired")
        gallery.rename(nine, "Seven")
        assert gallery.remove(seven).name == "Retired"
        assert [(person.id, person.name) for person in gallery.people()] == [(nine, "Seven")]
        for verb in (gallery.remove, gallery.faces, gallery.merged, gallery.undo_merge):
            with pytest.raises(UnknownPersonError, match=f"no person with the id {seven}"):
                verb(seven)
        with pytest.raises(UnknownPersonError):
            gallery.merge(nine, seven)
        with pytest.raises(UnknownPersonError):
            gallery.move(gallery.faces(nine)[0].id, seven)


def test_a_change_of_a_person_is_atomic(tmp_path):
    with Gallery(tmp_path / "people.db", NamedSpace()) as gallery:
        ada, _ = (gallery.store.add(name, new_faces(name))[0] for name in ("Ada", "Ben"))
        with pytest.raises(GalleryError, match="already has a person named 'Ben'"):
            gallery.change(ada, {"team": 3}, "Ben")
        assert gallery.person(ada).attributes == {}
        changed = gallery.change(ada, {"team": 3}, "Augusta")
        assert (changed.name, changed.attributes) == ("Augusta", {"team": 3})


def test_a_missing_gallery_is_created_only_on_request(tmp_path):
    with pytest.raises(GalleryError, match="there is no gallery .*typo.db; check the path"):
        Gallery(tmp_path / "typo.db", NamedSpace(), create=False)
    assert list(tmp_path.iterdir()) == []
    Gallery(tmp_path / "people.db", NamedSpace()).close()
    Gallery(tmp_path / "people.db", NamedSpace(), create=False).close()


@contextmanager
def only_reading(folder):
    """Make the files of a folder read-only, even if the tests run as root."""
    (folder / "people.db").chmod(0o444)
    folder.chmod(0o555)
    root = os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(0o755)


@pytest.mark.skipif(os.name != "posix", reason="permissions are set as in POSIX")
@pytest.mark.parametrize("in_use", [False, True])
def test_a_read_only_gallery_can_be_listed_and_searched(in_use):
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        folder.chmod(0o755)
        gallery = Gallery(folder / "people.db", NamedSpace())
        gallery.store.add("Ada", new_faces("Ada", 2))
        if in_use:
            for path in folder.iterdir():
                path.chmod(0o444)
        else:
            gallery.close()
        before = sorted(path.name for path in folder.iterdir())
        with only_reading(folder), Gallery(folder / "people.db", NamedSpace(), create=False) as read:
            assert read.store.read_only
            assert [person.name for person in read.people()] == ["Ada"]
            assert read.identify("Ada/5")[0].name == "Ada"
            assert [event.action for event in read.audit()] == ["enrol"]
            for change in (lambda: read.remove("Ada"), lambda: read.store.add("Ben", new_faces("Ben"))):
                with pytest.raises(GalleryError, match="it is read-only; check its permissions"):
                    change()
        assert sorted(path.name for path in folder.iterdir()) == before
        gallery.close()


@pytest.mark.skipif(os.name != "posix", reason="permissions are set as in POSIX")
def test_a_read_only_gallery_of_an_earlier_version_can_be_searched():
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        folder.chmod(0o755)
        with Gallery(folder / "people.db", NamedSpace()) as gallery:
            gallery.store.add("Ada", new_faces("Ada", 2))
        with closing(sqlite3.connect(folder / "people.db")) as db:
            # As version 3 of the schema left it.
            db.execute("PRAGMA user_version = 3")
            for table in ("face", "renewed"):
                db.execute(f"ALTER TABLE {table} ADD COLUMN quantised BLOB NOT NULL DEFAULT x'01'")
            db.commit()
        with only_reading(folder), Gallery(folder / "people.db", NamedSpace(), create=False) as read:
            assert read.store.read_only
            assert read.identify("Ada/5")[0].name == "Ada"
        with Gallery(folder / "people.db", NamedSpace()) as gallery:
            assert gallery.store.sql.run("SELECT count(*) FROM pragma_table_info('face') WHERE name = 'quantised'") == [
                (0,)
            ]
            gallery.store.add("Ben", new_faces("Ben"))
