"""The store: what it survives, what it refuses, and that changes are atomic."""

import os
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from facespace.errors import GalleryError
from facespace.gallery import NewFace, open_store
from facespace.gallery.changes import remove
from facespace.metric import normalise, quantise

SPACE, DIMENSION = "a" * 64, 128


def faces(count, seed=0):
    points = normalise(np.random.default_rng(seed).normal(size=(count, DIMENSION)))
    return [NewFace(f"photo {i}", (0.0, 0.0, 1.0, 1.0), point) for i, point in enumerate(points)]


def opened(path):
    return open_store(path, SPACE, DIMENSION)


WRITER = textwrap.dedent("""
    import sys
    import numpy as np
    from facespace.gallery import NewFace, open_store
    from facespace.metric import normalise
    path, prefix, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    store = open_store(path, "a" * 64, 128)
    points = normalise(np.random.default_rng(0).normal(size=(40, 128)))
    for number in range(count):
        store.add(f"{prefix}{number}", [NewFace("x", (0, 0, 1, 1), point) for point in points])
        print(f"{prefix}{number}", flush=True)
""")


def test_a_kill_during_enrolments_loses_nothing_acknowledged(tmp_path):
    path, acknowledged = tmp_path / "people.db", []
    rng = random.Random(1)
    for attempt in range(4):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), f"r{attempt}-", "100000"], stdout=subprocess.PIPE, text=True
        )
        acknowledged.append(process.stdout.readline().strip())
        # Killed at any moment after the first: during writing, during syncing, or between the two.
        timer = subprocess.Popen(["sleep", str(rng.uniform(0, 0.25))])
        timer.wait()
        os.kill(process.pid, signal.SIGKILL)
        acknowledged += [line.strip() for line in process.stdout if line.endswith("\n")]
        process.wait()
        assert process.returncode == -signal.SIGKILL
    store = opened(path)
    kept = {person.name: person.faces for person in store.people()}
    store.close()
    assert len(acknowledged) > 8
    assert set(acknowledged) <= set(kept)
    assert set(kept.values()) == {40}, "somebody is half enrolled"
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []


def test_two_processes_can_enrol_at_once(tmp_path):
    path = tmp_path / "people.db"
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), prefix, "15"], stdout=subprocess.PIPE)
        for prefix in ("a", "b")
    ]
    assert [len(writer.communicate()[0].splitlines()) for writer in writers] == [15, 15]
    store = opened(path)
    assert len(store.people()) == 30
    store.close()


def test_a_full_disk_is_a_clear_error_and_no_change_is_partial(tmp_path):
    store = opened(tmp_path / "people.db")
    store.add("Ada", faces(3))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(GalleryError, match="nothing was changed"):
            store.add("Ben", faces(2000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert [(person.name, person.faces) for person in store.people()] == [("Ada", 3)]
    store.add("Ben", faces(2))
    store.close()
    store = opened(tmp_path / "people.db")
    assert [(person.name, person.faces) for person in store.people()] == [("Ada", 3), ("Ben", 2)]
    store.close()


def test_the_bytes_of_a_removed_face_are_overwritten(tmp_path):
    store = opened(tmp_path / "people.db")
    store.add("Ada", faces(1))
    (kept,) = store.faces()
    parts = [quantise(kept.embedding[None]).tobytes(), kept.embedding.astype(np.float16).tobytes(), b"Ada", b"photo 0"]
    for part in parts:
        assert any(part in path.read_bytes() for path in tmp_path.iterdir())
    remove(store, store.find("Ada").id)
    for part in parts:
        assert not any(part in path.read_bytes() for path in tmp_path.iterdir())
    store.close()


def test_faces_are_read_as_they_were_stored(tmp_path):
    store = opened(tmp_path / "people.db")
    store.add("Ada", faces(2))
    store.add("Ben", faces(3, seed=1))
    people = {person.id: person.name for person in store.people()}
    assert [people[face.person_id] for face in store.faces()] == ["Ada"] * 2 + ["Ben"] * 3
    for face, given in zip(store.faces(), faces(2) + faces(3, seed=1), strict=True):
        assert (face.photo, face.box, face.quality) == (given.photo, given.box, None)
        assert face.embedding == pytest.approx(given.embedding, abs=1e-3)
        assert face.model == SPACE
    store.close()


@pytest.mark.parametrize(
    "content", [b"no database at all, but long enough to be read as one " * 30, b"SQLite format 3\0"]
)
def test_a_file_that_is_not_a_gallery_is_refused_and_unchanged(tmp_path, content):
    path = tmp_path / "letter.db"
    path.write_bytes(content)
    with pytest.raises(GalleryError, match="name another file|damaged"):
        opened(path)
    assert path.read_bytes() == content


def test_another_database_is_refused_and_unchanged(tmp_path):
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE bills (amount REAL)")
    db.close()
    with pytest.raises(GalleryError, match="a database but not a facespace gallery"):
        opened(path)
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT name FROM sqlite_schema").fetchall() == [("bills",)]


def test_a_file_of_a_newer_version_is_refused(tmp_path):
    opened(tmp_path / "people.db").close()
    with sqlite3.connect(tmp_path / "people.db") as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(GalleryError, match="newer facespace"):
        opened(tmp_path / "people.db")


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(GalleryError, match="check the path"):
        opened(tmp_path / "absent" / "people.db")


def test_a_damaged_file_is_reported(tmp_path):
    store = opened(tmp_path / "people.db")
    store.add("Ada", faces(400))
    store.close()
    path = tmp_path / "people.db"
    content = bytearray(path.read_bytes())
    content[4096 * 3 : 4096 * 12] = bytes(4096 * 9)
    path.write_bytes(content)
    with pytest.raises(GalleryError, match="damaged"):
        opened(path).faces()


def test_a_lock_held_too_long_is_a_clear_error(tmp_path, monkeypatch):
    monkeypatch.setattr("facespace.database.BUSY_SECONDS", 0.1)
    store = opened(tmp_path / "people.db")
    other = sqlite3.connect(tmp_path / "people.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(GalleryError, match="another process is writing to it; try again"):
        store.add("Ada", faces(1))
    other.execute("ROLLBACK")
    other.close()
    store.add("Ada", faces(1))
    store.close()
