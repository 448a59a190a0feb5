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
from typing import TYPE_CHECKING, Any

import numpy as np

from facespace.index.rows import Rows

if TYPE_CHECKING:
    from facespace.index.exact import ExactIndex
    from facespace.index.hnsw import HnswIndex

DESCRIPTION = "index.json"
FORMAT = 2


def save_rows(
    folder: Path, kind: str, rows: Rows, stamp: str, extra: dict[str, Callable[[Path], None]], **settings: Any
) -> None:
    """Save rows, and further files by name with a function that writes each; the description is replaced last."""
    folder.mkdir(parents=True, exist_ok=True)
    stored = rows.stored()
    writers: dict[str, Callable[[Path], None]] = {
        "tiles": lambda path: _save_array(path, stored.tiles),
        "ids": lambda path: _save_array(path, stored.ids),
        "alive": lambda path: _save_array(path, stored.inverse > 0),
        **extra,
    }
    # New file names for each save, because readers may still have the old files mapped.
    mark = secrets.token_hex(4)
    files = {}
    for name, write in writers.items():
        path = folder / f"{name}.{mark}"
        write(path)
        files[name] = {"name": path.name, "bytes": path.stat().st_size, "crc32": _checksum(path)}
    description = {"format": FORMAT, "kind": kind, "stamp": stamp, "rows": len(stored), "files": files, **settings}
    temporary = folder / f"{DESCRIPTION}.{mark}"
    temporary.write_text(json.dumps(description, indent=1))
    temporary.replace(folder / DESCRIPTION)
    wanted = {DESCRIPTION, *(entry["name"] for entry in files.values())}
    for path in folder.iterdir():
        if path.name not in wanted:
            path.unlink(missing_ok=True)


def open_index(
    folder: str | os.PathLike[str], stamp: str | None = None, memory_map: bool = True
) -> "ExactIndex | HnswIndex | None":
    """Open a saved index; returns None if it is absent, damaged, or has another stamp.

    Parameters
    ----------
    folder : path
    stamp : str or None
        The stamp that the index must have; None accepts any.
    memory_map : bool
        Leave the points in the file: they are read on demand and shared between processes. The first change copies
        them to memory.

    Returns
    -------
    ExactIndex, HnswIndex or None
    """
    from facespace.index.exact import ExactIndex
    from facespace.index.hnsw import open_hnsw

    folder = Path(folder)
    try:
        description = json.loads((folder / DESCRIPTION).read_bytes())
        if description["format"] != FORMAT or (stamp is not None and description["stamp"] != stamp):
            return None
        paths = {}
        for name, entry in description["files"].items():
            paths[name] = path = folder / entry["name"]
            if path.stat().st_size != entry["bytes"] or _checksum(path) != entry["crc32"]:
                return None
        tiles, ids, alive = (
            np.load(paths[name], mmap_mode="r" if memory_map else None) for name in ("tiles", "ids", "alive")
        )
        rows = Rows.of(tiles, ids, alive)
        index = (
            ExactIndex.over(rows)
            if description["kind"] == ExactIndex.kind
            else open_hnsw(rows, paths["graph"], description, memory_map)
        )
        if index is not None:
            index.stamp = description["stamp"]
        return index
    except (OSError, ValueError, KeyError, TypeError, RuntimeError):
        return None


def _save_array(path: Path, array: np.ndarray[Any, Any]) -> None:
    with path.open("wb") as file:
        np.save(file, array, allow_pickle=False)
        file.flush()
        os.fsync(file.fileno())


def _checksum(path: Path) -> int:
    value = 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            value = zlib.crc32(block, value)
    return value
