"""The history of a run: one JSON line for each step, next to the checkpoints.

The file is append-only and has one writer: the training process holds a lock. A resumed run first truncates the file
to its length at the checkpoint.
"""

import json
import os
from pathlib import Path
from types import TracebackType
from typing import Any

from filelock import FileLock, Timeout

from facespace.errors import DataError


class History:
    """Writer of a run's history. Use it in a `with` statement.

    Parameters
    ----------
    path : path
        Created if it does not exist.

    Raises
    ------
    DataError
        The file cannot be written, or another process is training in its folder.
    """

    def __init__(self, path: Path):
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("ab")
        except OSError as error:
            raise DataError(f"cannot write the history {path}: {error.strerror}") from None
        # A file of its own: where locks are mandatory, as on Windows, a locked history could not be read.
        self._lock = FileLock(path.with_name(f".{path.name}.lock"))
        try:
            self._lock.acquire(timeout=0)
        except (Timeout, OSError) as error:
            self._file.close()
            if isinstance(error, Timeout):
                raise DataError(
                    f"another process is training in {path.parent}; wait for it, stop it, or choose another folder"
                ) from None
            raise DataError(f"cannot write the history {path}: {error.strerror}") from None

    def __enter__(self) -> "History":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._lock.release()

    def add(self, record: dict[str, Any]) -> None:
        """Append the record of a step, or an event (a record with the key 'event')."""
        try:
            self._file.write(json.dumps(record).encode() + b"\n")
            self._file.flush()
        except OSError as error:
            raise DataError(
                f"cannot write the history {self.path}: {error.strerror}; the checkpoints are intact: free some disk "
                "space and continue with --resume"
            ) from None

    def size(self) -> int:
        """Sync the file and return its size in bytes, which checkpoints store."""
        os.fsync(self._file.fileno())
        return self.path.stat().st_size

    def cut(self, size: int) -> None:
        """Truncate the file to `size` bytes."""
        self._file.truncate(size)


def read_history(path: Path) -> list[dict[str, Any]]:
    """Read all complete lines of a history; an incomplete last line, left by a crash, is ignored.

    Raises
    ------
    DataError
        The file cannot be read.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise DataError(f"cannot read the history {path}: {error.strerror}") from None
    return [json.loads(line) for line in lines[:-1]]
