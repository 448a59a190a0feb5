"""One SQLite file of this package's own: a gallery, an album.

Every change is one transaction, synced before it is acknowledged, so a crash at any moment leaves the file as it
was before or after the change. What is deleted is overwritten in the file, not only unlinked.
"""

import itertools
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from facespace.errors import FacespaceError

# How long to wait for another process that is writing.
BUSY_SECONDS = 10.0


class Database:
    """A file of one kind, open for reading and writing. Many processes may read while one writes.

    Parameters
    ----------
    path : path
        Made, readable by its owner alone, if it does not exist.
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
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        kind: str,
        error: type[FacespaceError],
        migrations: Sequence[str],
        space_id: str,
        dimension: int,
    ):
        self.path = Path(path)
        self._kind, self._error, self._migrations = kind, error, migrations
        with self.explaining("open"):
            # Faces are biometric data: nobody else on this machine gets to read them. A file that is there already is
            # not touched: closing it would let go of the locks that this process holds on it.
            with suppress(FileExistsError):
                os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            self.connection = sqlite3.connect(
                self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
        try:
            with self.explaining("open"):
                self._prepare(space_id, dimension)
        except BaseException:
            self.connection.close()
            raise

    def close(self) -> None:
        """Let the file go; nothing is lost, as every change was on disk when it was acknowledged."""
        self.connection.close()

    def version(self) -> tuple[int, int]:
        """Changes whenever this or any other process has changed the file."""
        with self.explaining("read"):
            (others,) = self.connection.execute("PRAGMA data_version").fetchone()
        return others, self.connection.total_changes

    def forget_deleted(self) -> None:
        """Empty the write-ahead log, where deleted bytes still stand."""
        with self.explaining("remove from"):
            self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    @contextmanager
    def writing(self, doing: str) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it, on disk, or nothing."""
        with self.explaining(doing):
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self.connection
                self.connection.execute("COMMIT")
            except BaseException:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                raise

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

    def _prepare(self, space_id: str, dimension: int) -> None:
        self.connection.execute("BEGIN")
        version = self._version()
        self.connection.execute("COMMIT")
        log_ahead(self.connection)
        for setting in ("foreign_keys = ON", "synchronous = FULL", "secure_delete = ON"):
            self.connection.execute(f"PRAGMA {setting}")
        if version < len(self._migrations):
            self._migrate()
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
