"""What happened at each step, as JSON lines beside the checkpoints.

The file is only appended to, by one process: whoever trains in a folder holds a lock on it. A run that goes on from
a checkpoint first cuts off what came after it.
"""

import json
import os
from pathlib import Path
from types import TracebackType
from typing import Any

from filelock import FileLock, Timeout

from facespace.errors import DataError


class History:
    """The records of a run, one line a step. Use it in a `with` statement.

    Parameters
    ----------
    path : path
        Made where it does not exist.
    """

    def __init__(self, path: Path):
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("ab")
        except OSError as error:
            raise DataError(f"cannot write the history {path}: {error.strerror}") from None
        # Beside the history: where locks are mandatory, as on Windows, a locked history could not be read.
        self._lock = FileLock(path.with_name(f".{path.name}.lock"))
        try:
            self._lock.acquire(timeout=0)
        except (Timeout, OSError) as error:
            self._file.close()
            if isinstance(error, Timeout):
                raise DataError(
                    f"another process is training in {path.parent}; wait for it, stop it, or name another folder"
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
        """Append a step's record, or an event's ({'event': ...} beside its step)."""
        try:
            self._file.write(json.dumps(record).encode() + b"\n")
            self._file.flush()
        except OSError as error:
            raise DataError(
                f"cannot write the history {self.path}: {error.strerror}; earlier checkpoints are whole: free some "
                "space and continue with --resume"
            ) from None

    def size(self) -> int:
        """Bytes on disk, synced: what a checkpoint remembers of the history."""
        os.fsync(self._file.fileno())
        return self.path.stat().st_size

    def cut(self, size: int) -> None:
        """Forget what was written after `size` bytes."""
        self._file.truncate(size)


def read_history(path: Path) -> list[dict[str, Any]]:
    """All whole lines of a history; a line that a crash cut off is left out.

    Raises
    ------
    DataError
        There is no such file.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise DataError(f"cannot read the history {path}: {error.strerror}") from None
    return [json.loads(line) for line in lines[:-1]]
