"""A SQLite file that holds a gallery or an album.

Every change is one transaction, synced to disk before it is acknowledged: after a crash the file is as it was before or
after the change. Deleted data are overwritten in the file.

Any number of threads may use one `Database`: one connection writes, for one thread at a time, and each reading thread
takes a connection from a pool for as long as it reads. docs/decisions/035-threads-on-a-gallery.md explains why.
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

# Seconds to wait while another process is writing.
BUSY_SECONDS = 10.0

# Idle connections that are kept for later readers; each holds three file descriptors.
_IDLE = 16


class Database:
    """A database file of one kind. Threads may share it; many processes may read while one writes.

    A read-only file can be opened; every change to it is refused.

    Parameters
    ----------
    path : path
    kind : str
        What messages call it: 'gallery', 'album'.
    error : type of FacespaceError
        Raised for everything that goes wrong; the message says what to do.
    migrations : sequence of str
        SQL scripts; entry i upgrades the schema from version i to i + 1, and is never edited once released. The first
        must make a table `space (id TEXT, dimension INTEGER)`.
    space_id : str
        The space whose embeddings the file holds; a file of another space is refused.
    dimension : int
    create : bool
        Create the file if it does not exist, readable by its owner only.
    readable : int or None
        The oldest schema version that can be read without migrating it, for read-only files; None means the current
        version.

    Attributes
    ----------
    path : Path
    connection : sqlite3.Connection
        The connection that writes.
    read_only : bool
        Whether the file can only be read.
    made : bool
        Whether opening it created the file.
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
        readable: int | None = None,
    ):
        self.path = Path(path)
        self._readable = len(migrations) if readable is None else readable
        self._kind, self._error, self._migrations = kind, error, migrations
        self._writer = threading.RLock()
        self._to_erase = False
        self.made = False
        with self.explaining("open"):
            if not create and not self.path.exists():
                raise error(f"there is no {kind} {self.path}; check the path")
            if create:
                # Faces are biometric data, so no other user of this machine may read them. An existing file is not
                # touched: closing it would release the locks that this process holds on it.
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
        """Close the file. Nothing is lost: every acknowledged change is on disk."""
        self._readers.close()
        self.connection.close()

    def discard(self) -> bool:
        """Close the file and delete it, if opening it created it and no other connection has it open.

        Returns
        -------
        bool
            Whether the file was deleted. If not, it is still open.
        """
        if not self.made:
            return False
        self._readers.close()
        try:
            # Leaving WAL mode needs exclusive access; it fails at once if anybody else has the file open.
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
        """Value that changes whenever this or any other process changes the file."""
        with self._writer, self.explaining("read"):
            (others,) = self.connection.execute("PRAGMA data_version").fetchone()
            return others, self.connection.total_changes

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Read a consistent snapshot of the file in this thread, whatever others change meanwhile.

        Inside `writing` of the same thread, the snapshot includes the changes made so far. Blocks may be nested.
        """
        with self.explaining("read"), self._readers.taken() as connection:
            yield connection

    @contextmanager
    def writing(self, doing: str) -> Iterator[sqlite3.Connection]:
        """Run one transaction: all of it reaches the disk, or nothing. Threads of this process take turns."""
        if self.read_only:
            raise self._error(f"cannot {doing} the {self._kind} {self.path}: it is read-only; check its permissions")
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
        """Execute one statement in the `reading` or `writing` block of this thread; returns the rows."""
        with self._readers.taken() as connection:
            return connection.execute(statement, values).fetchall()

    def many(self, statement: str, rows: Iterable[Sequence[object]]) -> None:
        """Execute one statement for each row of values; as `run`."""
        with self._readers.taken() as connection:
            connection.executemany(statement, rows)

    def forget_deleted(self) -> bool:
        """Copy the write-ahead log into the file and truncate it, because it still holds deleted data.

        Readers of this process finish in milliseconds. If another process reads for longer than `BUSY_SECONDS`, it is
        retried after each later change, and when the file is next opened.

        Returns
        -------
        bool
            Whether the log was truncated.
        """
        with self.explaining("remove from"):
            return self._erase(time.monotonic() + BUSY_SECONDS)

    @contextmanager
    def explaining(self, doing: str) -> Iterator[None]:
        """Turn SQLite's errors into this file's error, with advice for the user."""
        try:
            yield
        except sqlite3.Error as error:
            code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
            advice = _ADVICE.get(code, "SQLite's message says why").format(kind=self._kind)
            raise self._error(f"cannot {doing} the {self._kind} {self.path}: {error}; {advice}") from None
        except OSError as error:
            raise self._error(
                f"cannot {doing} the {self._kind} {self.path}: {error.strerror}; check the path and its permissions"
            ) from None

    def _opened(self) -> "tuple[sqlite3.Connection, bool, _Readers]":
        """Open the writing connection, find out whether the file is read-only, and make the pool of readers."""
        address = self.path.absolute().as_uri()
        # In mode rw, SQLite opens a read-only file for reading.
        connection = _connect(f"{address}?mode=rw")
        readers = _Readers(f"{address}?mode=ro", _IDLE)
        if _may_be_written(self.path):
            return connection, False, readers
        try:
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        except sqlite3.OperationalError:
            # The log's index does not exist and cannot be created. Without a log, the file holds everything.
            connection.close()
            log = self.path.with_name(self.path.name + "-wal")
            if log.exists() and log.stat().st_size:
                raise
            address = f"{address}?mode=ro&immutable=1"
            # No connection is pooled: an immutable one would not notice changes by other processes.
            return _connect(address), True, _Readers(address, 0)
        return connection, True, readers

    def _erase(self, until: float) -> bool:
        """Truncate the log; retry until it succeeds or the time is up."""
        with self._writer:
            self._to_erase = True
            self.connection.execute(f"PRAGMA busy_timeout = {max(0, round(1000 * (until - time.monotonic())))}")
            try:
                while True:
                    # Reports busy, without an error, if others read or another process is at its own checkpoint.
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
            if version < self._readable:
                raise self._error(
                    f"{self.path} was written by an older facespace and is read-only, so it cannot be upgraded; "
                    "open a copy of it"
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
                f"{self.path} holds embeddings of the space {row[0][:16]}, but this model's space is {space_id[:16]}; "
                "distances between the two mean nothing. Open it with the model it was made with, or add the photos "
                f"to a new {self._kind}"
            )

    def _version(self) -> int:
        """Schema version, read in one transaction: two separate reads could see two states of the file."""
        (version,) = self.connection.execute("PRAGMA user_version").fetchone()
        known = len(self._migrations)
        tables = {name for (name,) in self.connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        if tables and (version == 0 or not _tables_of(self._migrations[:version]) <= tables):
            raise self._error(f"{self.path} is a database but not a facespace {self._kind}; name another file")
        if version > known:
            raise self._error(
                f"{self.path} was written by a newer facespace (schema {version}, this one knows {known}); "
                "upgrade facespace"
            )
        return int(version)

    def _migrate(self) -> None:
        with self.writing("open"):
            # Another process may have migrated the file while this one waited.
            version = self._version()
            for number, script in enumerate(self._migrations[version:], start=version + 1):
                for statement in script.split(";"):
                    self.connection.execute(statement)
                self.connection.execute(f"PRAGMA user_version = {number}")


class _Readers:
    """Pool of reading connections, each used by one thread at a time.

    Parameters
    ----------
    address : str
        The file, as a URI.
    max_idle : int
        Idle connections to keep for later readers.
    """

    def __init__(self, address: str, max_idle: int):
        self._address, self._max_idle = address, max_idle
        self._idle: list[sqlite3.Connection] = []
        self._closed = False
        self._lock = threading.Lock()
        self._own = threading.local()

    @contextmanager
    def taken(self) -> Iterator[sqlite3.Connection]:
        """Borrow a connection in a read transaction, or the one that this thread uses already."""
        current: sqlite3.Connection | None = getattr(self._own, "connection", None)
        if current is not None:
            yield current
            return
        with self._lock:
            if self._closed:
                raise sqlite3.ProgrammingError("the file was closed")
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
                kept = sound and not self._closed and len(self._idle) < self._max_idle
                if kept:
                    self._idle.append(connection)
            if not kept:
                connection.close()

    @contextmanager
    def using(self, connection: sqlite3.Connection) -> Iterator[None]:
        """Make this thread's reads go through a connection."""
        before = getattr(self._own, "connection", None)
        self._own.connection = connection
        try:
            yield
        finally:
            self._own.connection = before

    def close(self) -> None:
        """Close the idle connections; those in use are closed when they are returned."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()


def log_ahead(connection: sqlite3.Connection) -> None:
    """Switch a file to write-ahead logging, so that many can read while one writes.

    The switch needs exclusive access. SQLite fails at once instead of waiting (two readers that wait for each other
    would deadlock), so this function waits.

    Raises
    ------
    sqlite3.OperationalError
        Others kept the file busy for `BUSY_SECONDS`, or it is read-only.
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
                raise sqlite3.OperationalError("no permission to make a write-ahead log beside the file")
            return


def _connect(address: str) -> sqlite3.Connection:
    return sqlite3.connect(address, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, uri=True)


def _may_be_written(path: Path) -> bool:
    """Whether this process may write a file, and its log beside it."""
    effective = os.access in os.supports_effective_ids
    return all(os.access(place, os.W_OK, effective_ids=effective) for place in (path, path.absolute().parent))


def _tables_of(migrations: Sequence[str]) -> set[str]:
    """Names of the tables that the first migration creates, which distinguish a gallery from an album."""
    words = migrations[0].split()
    return {name for before, name in itertools.pairwise(words) if before == "TABLE"}


_ADVICE = {
    sqlite3.SQLITE_BUSY: "another process is writing to it; try again",
    sqlite3.SQLITE_LOCKED: "another process is writing to it; try again",
    sqlite3.SQLITE_FULL: "the disk is full; nothing was changed: free some space and try again",
    sqlite3.SQLITE_IOERR: "the disk reported an error; nothing was changed: check the disk and try again",
    sqlite3.SQLITE_READONLY: "it is read-only; check its permissions",
    sqlite3.SQLITE_CANTOPEN: "check the path and its permissions",
    sqlite3.SQLITE_NOTADB: "it is not a facespace {kind}; name another file",
    sqlite3.SQLITE_CORRUPT: "the file is damaged; restore a backup",
}
