"""The SQLite file of galleries, albums and the cache, when many processes open it at once."""

import multiprocessing
import sqlite3
import threading
from contextlib import closing

import pytest

from facespace.album.store import MIGRATIONS as ALBUM
from facespace.database import Database, log_ahead
from facespace.errors import AlbumError, GalleryError
from facespace.evaluate.cache import EmbeddingCache
from facespace.gallery import open_store

SPACE, DIMENSION = "a" * 64, 128
PROCESSES, FILES = 6, 25


def open_gallery(folder, number):
    open_store(folder / f"{number}.gallery", SPACE, DIMENSION).close()


def open_album(folder, number):
    Database(folder / f"{number}.album", "album", AlbumError, ALBUM, SPACE, DIMENSION).close()


def open_cache(folder, number):
    with EmbeddingCache(f"{number:032}", folder):
        pass


def open_each_together(opening, folder, together, failures):
    for number in range(FILES):
        together.wait()
        try:
            opening(folder, number)
        except Exception as error:
            failures.put(f"{type(error).__name__}: {error}")


@pytest.mark.parametrize("opening", [open_gallery, open_album, open_cache])
def test_many_processes_can_create_the_same_file_at_once(opening, tmp_path):
    spawning = multiprocessing.get_context("spawn")
    together, failures = spawning.Barrier(PROCESSES, timeout=60), spawning.Queue()
    processes = [
        spawning.Process(target=open_each_together, args=(opening, tmp_path, together, failures))
        for _ in range(PROCESSES)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    errors = [failures.get() for _ in range(failures.qsize())]
    assert errors == []
    assert [process.exitcode for process in processes] == [0] * PROCESSES
    made = [path for path in tmp_path.iterdir() if not path.name.endswith(("-wal", "-shm"))]
    assert len(made) == FILES
    for path in made:
        with closing(sqlite3.connect(path)) as db:
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_file_of_another_kind_is_refused_and_unchanged(tmp_path):
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE notes (words TEXT)")
    before = path.read_bytes()
    with pytest.raises(GalleryError, match="not a facespace gallery"):
        open_store(path, SPACE, DIMENSION)
    assert path.read_bytes() == before


def test_the_switch_to_wal_waits_for_a_reader_to_finish(tmp_path):
    path = tmp_path / "people.db"
    with closing(sqlite3.connect(path, check_same_thread=False, isolation_level=None)) as reader:
        reader.execute("CREATE TABLE notes (words TEXT)")
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM notes").fetchall()
        ending = threading.Timer(0.2, reader.execute, ["COMMIT"])
        ending.start()
        with closing(sqlite3.connect(path, isolation_level=None)) as switching:
            log_ahead(switching)
            assert switching.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        ending.join()


def test_the_switch_to_wal_fails_if_the_file_stays_busy(tmp_path, monkeypatch):
    monkeypatch.setattr("facespace.database.BUSY_SECONDS", 0.05)
    path = tmp_path / "people.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("CREATE TABLE notes (words TEXT)")
        writer.execute("BEGIN EXCLUSIVE")
        with (
            closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as switching,
            pytest.raises(sqlite3.OperationalError, match="locked"),
        ):
            log_ahead(switching)
