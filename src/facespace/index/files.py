"""An index saved in a folder: memory-mappable arrays, and a description that is written last.

The folder is only a cache: if it is damaged, unfinished or out of date, opening it returns None and the caller
rebuilds the index.
"""

import json
import os
import secrets
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from facespace.files import replacing
from facespace.index.rows import Rows

DESCRIPTION = "index.json"
FORMAT = 2


def save_rows(folder: Path, kind: str, rows: Rows, stamp: str) -> None:
    """Save rows; the description is replaced last."""
    folder.mkdir(parents=True, exist_ok=True)
    stored = rows.stored()
    writers: dict[str, Callable[[Path], None]] = {
        "tiles": lambda path: _save_array(path, stored.tiles),
        "ids": lambda path: _save_array(path, stored.ids),
        "alive": lambda path: _save_array(path, stored.inverse > 0),
    }
    # New file names for each save, because readers may still have the old files mapped.
    mark = secrets.token_hex(4)
    files = {}
    for name, write in writers.items():
        path = folder / f"{name}.{mark}"
        write(path)
        files[name] = {"name": path.name, "bytes": path.stat().st_size, "crc32": checksum(path)}
    description = {"format": FORMAT, "kind": kind, "stamp": stamp, "rows": len(stored), "files": files}
    with replacing(folder / DESCRIPTION) as partial:
        partial.write_text(json.dumps(description, indent=1))
    wanted = {DESCRIPTION, *(entry["name"] for entry in files.values())}
    for path in folder.iterdir():
        if path.name not in wanted:
            path.unlink(missing_ok=True)


def _save_array(path: Path, array: np.ndarray[Any, Any]) -> None:
    with path.open("wb") as file:
        np.save(file, array, allow_pickle=False)
        file.flush()
        os.fsync(file.fileno())


def checksum(path: Path) -> int:
    """The CRC-32 of a file."""
    value = 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            value = zlib.crc32(block, value)
    return value
