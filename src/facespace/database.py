"""One SQLite file of this package's own: a gallery, an album.

Every change is one transaction, synced before it is acknowledged, so a crash at any moment leaves the file as it
was before or after the change. What is deleted is overwritten in the file, not only unlinked.

Any number of threads may use one `Database`: one connection writes, for one thread at a time, and each thread that
reads takes another one from a pool for as long as it reads. docs/decisions/035-threads-on-a-gallery.md has the why.
"""

import itertools
import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from facespace.errors import FacespaceError

# How long to wait for another process that is writing.
BUSY_SECONDS = 10.0

# Idle connections that are kept for the next readers; each holds three file descriptors.
_IDLE = 16


class Database:
    """A file of one kind. Safe to share between threads; many processes may read while one writes.

    A file that may only be read is opened all the same, and every change is refused.

    Parameters
    ----------
    path : path
    kind : str
        What to call it in messages: 'gallery', 'album'.
    error : type of FacespaceError
        Raised for everything that goes wrong, with what to do about it.
    migrations : sequence of str
        SQL statements; each entry takes the schema from its index to the next, and is never edited once released.
        The first must make a table `space (id TEXT, dimension INTEGER)`.
    space_id : str
        The space whose points it holds; a file of another space is refused.
    dimension : int
    create : bool
        Make the file, readable by its owner alone, if it does not exist.

    Attributes
    ----------
    path : Path
    connection : sqlite3.Connection
        The one that writes.
    read_only : bool
        Whether the file may only be read.
    made : bool
        Whether opening it made the file.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        kind: str,
        error: type[FacespaceError],
        migrations: Sequence[str],
        space_id: str,
        dimension: int,
        create: bool = True,
    ):
        self.path = Path(path)
        self._kind, self._error, self._migrations = kind, error, migrations
        self._writer = threading.RLock()
        self._to_erase = False
        self.made = False
        with self.explaining("open"):
            if not create and not self.path.exists():
                raise error(f"there is no {kind} {self.path}; check the path")
            if create:
                # Faces are biometric data: nobody else on this machine gets to read them. A file that is there already
                # is not touched: closing it would let go of the locks that this process holds on it.
                with suppress(FileExistsError):
                    os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
                    self.made = True
            self.connection, self.read_only, self._readers = self._opened()
        try:
            with self.explaining("open"):
                self._prepare(space_id, dimension)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the file; nothing is lost, as every change was on disk when it was acknowledged."""
        self._readers.close()
        self.connection.close()

    def discard(self) -> bool:
        """Close the file and delete it, if opening it made it and no other connection has it open.

        Returns
        -------
        bool
            Whether it is gone. If not, it is still open.
        """
        if not self.made:
            return False
        self._readers.close()
        try:
            # Leaving the write-ahead log needs the file for itself; refused at once where somebody else has it.
            self.connection.execute("PRAGMA busy_timeout = 0")
            self.connection.execute("PRAGMA journal_mode = DELETE")
            self.connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.Error:
            return False
        with suppress(OSError):
            self.path.unlink()
        self.connection.close()
        return True

    def version(self) -> tuple[int, int]:
        """Changes whenever this or any other process has changed the file."""
        with self._writer, self.explaining("read"):
            (others,) = self.connection.execute("PRAGMA data_version").fetchone()
            return others, self.connection.total_changes

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """The file as it is at one moment, for one thread, whatever others change meanwhile.

        Within `writing` of the same thread it is the file with the changes made so far. Such blocks may be nested.
        """
        with self.explaining("read"), self._readers.taken() as connection:
            yield connection

    @contextmanager
    def writing(self, doing: str) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it, on disk, or nothing. Threads of this process take turns."""
        if self.read_only:
            raise self._error(f"cannot {doing} the {self._kind} {self.path}: it may only be read; check its rights")
        with self._writer, self.explaining(doing), self._readers.using(self.connection):
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self.connection
                self.connection.execute("COMMIT")
            except BaseException:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                raise
        if self._to_erase:
            self._erase(time.monotonic())

    def run(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Execute one statement, within the block of `reading` or `writing` that this thread is in; its rows."""
        with self._readers.taken() as connection:
            return connection.execute(statement, values).fetchall()

    def many(self, statement: str, rows: Iterable[Sequence[object]]) -> None:
        """Execute one statement for each of some rows, as `run`."""
        with self._readers.taken() as connection:
            connection.executemany(statement, rows)

    def forget_deleted(self) -> bool:
        """Copy the write-ahead log into the file and truncate it: deleted bytes still stand in it.

        Readers of this process finish in milliseconds. Where another process reads for longer than `BUSY_SECONDS`, it
        is tried again after each later change, and when the file is next opened.

        Returns
        -------
        bool
            Whether it is done.
        """
        with self.explaining("remove from"):
            return self._erase(time.monotonic() + BUSY_SECONDS)

    @contextmanager
    def explaining(self, doing: str) -> Iterator[None]:
        """SQLite's errors as what the user can do about them."""
        try:
            yield
        except sqlite3.Error as error:
            code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
            advice = _ADVICE.get(code, "see the reason").format(kind=self._kind)
            raise self._error(f"cannot {doing} the {self._kind} {self.path}: {error}; {advice}") from None
        except OSError as error:
            raise self._error(
                f"cannot {doing} the {self._kind} {self.path}: {error.strerror}; check the path and its rights"
            ) from None

    def _opened(self) -> "tuple[sqlite3.Connection, bool, _Readers]":
        """The connection that writes, whether it may only read, and those that read."""
        address = self.path.absolute().as_uri()
        # SQLite opens for reading what it may not write.
        connection = _connect(f"{address}?mode=rw")
        readers = _Readers(f"{address}?mode=ro", _IDLE)
        if _may_be_written(self.path):
            return connection, False, readers
        try:
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        except sqlite3.OperationalError:
            # The log's index can be neither found nor made beside it. Without a log the file is all there is.
            connection.close()
            log = self.path.with_name(self.path.name + "-wal")
            if log.exists() and log.stat().st_size:
                raise
            address = f"{address}?mode=ro&immutable=1"
            # None is kept, as such a connection would not notice that somebody else changed the file.
            return _connect(address), True, _Readers(address, 0)
        return connection, True, readers

    def _erase(self, until: float) -> bool:
        """Truncate the log, again and again until it succeeds or the time is over."""
        with self._writer:
            self._to_erase = True
            self.connection.execute(f"PRAGMA busy_timeout = {max(0, round(1000 * (until - time.monotonic())))}")
            try:
                while True:
                    # Not done, without an error, where others read, or another process is at its own checkpoint.
                    (busy, _, _) = self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                    self._to_erase = bool(busy)
                    if not busy or time.monotonic() >= until:
                        return not busy
                    time.sleep(0.005)
            finally:
                self.connection.execute(f"PRAGMA busy_timeout = {round(1000 * BUSY_SECONDS)}")

    def _prepare(self, space_id: str, dimension: int) -> None:
        self.connection.execute("BEGIN")
        version = self._version()
        self.connection.execute("COMMIT")
        if self.read_only:
            if version < len(self._migrations):
                raise self._error(
                    f"{self.path} was written by an older facespace and may only be read, so it cannot be brought up "
                    "to date; open a copy of it"
                )
        else:
            log_ahead(self.connection)
            for setting in ("foreign_keys = ON", "synchronous = FULL", "secure_delete = ON"):
                self.connection.execute(f"PRAGMA {setting}")
            if version < len(self._migrations):
                self._migrate()
            # A process that was killed may have left deleted bytes in the log.
            log = self.path.with_name(self.path.name + "-wal")
            if log.exists() and log.stat().st_size:
                self._erase(time.monotonic())
                self._to_erase = False
        row = self.connection.execute("SELECT id FROM space").fetchone()
        if row is None:
            with self.writing("open"):
                self.connection.execute(
                    "INSERT INTO space SELECT ?, ? WHERE NOT EXISTS (SELECT 1 FROM space)", (space_id, dimension)
                )
            row = self.connection.execute("SELECT id FROM space").fetchone()
        if row[0] != space_id:
            raise self._error(
                f"{self.path} holds points of the space {row[0][:16]}, this model's space is {space_id[:16]}: "
                "distances between them mean nothing; open it with the model it was made with, or put the photos "
                f"anew into another {self._kind}"
            )

    def _version(self) -> int:
        """The schema's version, read in a transaction: between two others the answers may be of two moments."""
        (version,) = self.connection.execute("PRAGMA user_version").fetchone()
        known = len(self._migrations)
        tables = {name for (name,) in self.connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        if tables and (version == 0 or not _tables_of(self._migrations[:version]) <= tables):
            raise self._error(f"{self.path} is a database, but no {self._kind}; name another file")
        if version > known:
            raise self._error(
                f"{self.path} was written by a newer facespace (schema {version}, this one knows {known}); "
                "upgrade facespace"
            )
        return int(version)

    def _migrate(self) -> None:
        with self.writing("open"):
            # Another process may have migrated while this one waited for its turn.
            version = self._version()
            for number, script in enumerate(self._migrations[version:], start=version + 1):
                for statement in script.split(";"):
                    self.connection.execute(statement)
                self.connection.execute(f"PRAGMA user_version = {number}")


class _Readers:
    """Connections that read, each used by one thread at a time; and which one a thread is using.

    Parameters
    ----------
    address : str
        The file, as a URI.
    most_idle : int
        How many are kept for the next readers.
    """

    def __init__(self, address: str, most_idle: int):
        self._address, self._most_idle = address, most_idle
        self._idle: list[sqlite3.Connection] = []
        self._closed = False
        self._lock = threading.Lock()
        self._own = threading.local()

    @contextmanager
    def taken(self) -> Iterator[sqlite3.Connection]:
        """A connection in a transaction that reads, or the one that this thread is using already."""
        current: sqlite3.Connection | None = getattr(self._own, "connection", None)
        if current is not None:
            yield current
            return
        with self._lock:
            if self._closed:
                raise sqlite3.ProgrammingError("it was closed")
            connection = self._idle.pop() if self._idle else None
        if connection is None:
            connection = _connect(self._address)
        sound = False
        try:
            connection.execute("BEGIN")
            with self.using(connection):
                yield connection
            connection.execute("COMMIT")
            sound = True
        finally:
            with self._lock:
                kept = sound and not self._closed and len(self._idle) < self._most_idle
                if kept:
                    self._idle.append(connection)
            if not kept:
                connection.close()

    @contextmanager
    def using(self, connection: sqlite3.Connection) -> Iterator[None]:
        """Have the reads of this thread go through a connection."""
        before = getattr(self._own, "connection", None)
        self._own.connection = connection
        try:
            yield
        finally:
            self._own.connection = before

    def close(self) -> None:
        """Close those that nobody uses; the others are closed when they are given back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()


def log_ahead(connection: sqlite3.Connection) -> None:
    """Switch a file to the write-ahead log, so that many may read while one writes.

    The switch needs the file for itself, and SQLite refuses at once instead of waiting for it (two that have read and
    wait for each other would wait for ever), so the waiting is done here.

    Raises
    ------
    sqlite3.OperationalError
        Others kept the file busy for `BUSY_SECONDS`, or it may not be written.
    """
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.005)
        else:
            if mode != "wal":
                raise sqlite3.OperationalError("its rights, or its folder's, do not allow a write-ahead log")
            return


def _connect(address: str) -> sqlite3.Connection:
    return sqlite3.connect(address, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, uri=True)


def _may_be_written(path: Path) -> bool:
    """Whether this process may write a file and, beside it, its log."""
    effective = os.access in os.supports_effective_ids
    return all(os.access(place, os.W_OK, effective_ids=effective) for place in (path, path.absolute().parent))


def _tables_of(migrations: Sequence[str]) -> set[str]:
    """The tables that the first migration makes: they tell a gallery from an album."""
    words = migrations[0].split()
    return {name for before, name in itertools.pairwise(words) if before == "TABLE"}


_ADVICE = {
    sqlite3.SQLITE_BUSY: "another process is writing to it; try again",
    sqlite3.SQLITE_LOCKED: "another process is writing to it; try again",
    sqlite3.SQLITE_FULL: "the disk is full; nothing was changed: free some space and try again",
    sqlite3.SQLITE_IOERR: "the disk refused; nothing was changed: check space and disk and try again",
    sqlite3.SQLITE_READONLY: "it may only be read; check its rights",
    sqlite3.SQLITE_CANTOPEN: "check the path and its rights",
    sqlite3.SQLITE_NOTADB: "it is not a {kind}; name another file",
    sqlite3.SQLITE_CORRUPT: "the file is damaged; restore a backup",
}
