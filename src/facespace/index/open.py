"""Open a saved index."""

import json
import os
from pathlib import Path

import numpy as np

from facespace.index.exact import ExactIndex
from facespace.index.files import DESCRIPTION, FORMAT, checksum
from facespace.index.rows import Rows


def open_index(folder: str | os.PathLike[str], stamp: str | None = None, memory_map: bool = True) -> ExactIndex | None:
    """Open a saved index; returns None if it is absent, damaged, of another kind, or has another stamp.

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
    ExactIndex or None
    """
    folder = Path(folder)
    try:
        description = json.loads((folder / DESCRIPTION).read_bytes())
        if description["format"] != FORMAT or description["kind"] != ExactIndex.kind:
            return None
        if stamp is not None and description["stamp"] != stamp:
            return None
        paths = {}
        for name, entry in description["files"].items():
            paths[name] = path = folder / entry["name"]
            if path.stat().st_size != entry["bytes"] or checksum(path) != entry["crc32"]:
                return None
        tiles, ids, alive = (
            np.load(paths[name], mmap_mode="r" if memory_map else None) for name in ("tiles", "ids", "alive")
        )
        index = ExactIndex.over(Rows.of(tiles, ids, alive))
        index.stamp = description["stamp"]
        return index
    except (OSError, ValueError, KeyError, TypeError, RuntimeError):
        return None
