"""The candidate pairs of very many points, found by Ray on many machines (extra `ray`), equal to those of one process.

The points and their cells are written to a folder that every machine can read and write. A task reads them through
memory maps, searches for one block of points, and writes a file; its memory depends on the block only. Existing files
are kept, so a run that was stopped, or lost its driver or a machine, continues where it was.
"""

import hashlib
import json
import os
import zipfile
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facespace.clustering.graph import (
    EXACT_ROWS,
    EXACT_UP_TO,
    NEIGHBOURS,
    Graph,
    joined,
    mutual_graph,
    radius_part,
)
from facespace.errors import DataError
from facespace.files import replacing
from facespace.index.cells import Cells, lay_out
from facespace.index.graph import Neighbours, others, together
from facespace.metric import normalise
from facespace.rays import require_ray, start_ray

Floats = NDArray[np.float32]

# Part of the name of each search, so that results of a different version of the code are not used.
_FORMAT = 1

# Tasks submitted for each core: enough to keep it busy, few enough to stop soon.
_WAITING = 2

# How often Ray repeats a task whose machine was lost or whose files could not be read or written.
_TRIES = 3


def graph_with_ray(
    points: Floats,
    radius: float,
    *,
    folder: str | os.PathLike[str],
    workers: int | None = None,
) -> Graph:
    """As `candidate_graph`, by tasks of Ray on this machine or the cluster Ray is connected to.

    Parameters
    ----------
    points : float32, shape (n, d)
    radius : float
    folder : path
        Every machine can read and write it under the same path; it needs 4 (d + 2 NEIGHBOURS) bytes a point. It may
        contain searches of other points or another radius too.
    workers : int or None
        Processes on this machine if Ray is not connected yet; None is one for each core.

    Returns
    -------
    Graph

    Raises
    ------
    DataError
        The folder cannot be written, or a task failed too often; the message says why.
    FacespaceError
        The extra is not installed.
    """
    exact = len(points) <= EXACT_UP_TO
    work = _begun(points, radius, exact, Path(folder))
    size = EXACT_ROWS if exact else together(len(points), NEIGHBOURS)
    starts = range(0, len(points), size)
    _run(work, [(start, min(start + size, len(points))) for start in starts], workers)
    parts = (_read(work / _name(start)) for start in starts)
    if exact:
        return joined([Graph(part["a"], part["b"], part["distance"]) for part in parts])
    order = np.load(work / "order.npy")
    k = NEIGHBOURS
    distances, rows = np.empty((len(points), k), np.float32), np.empty((len(points), k), np.int64)
    for start, part in zip(starts, parts, strict=True):
        own = order[start : start + size]
        distances[own], rows[own] = part["distances"], part["rows"]
    return mutual_graph(Neighbours(distances, rows, False), radius)


def search_block(work: str, start: int, stop: int) -> None:
    """Find the candidate pairs of a block of points and write them to a file; this is one task."""
    folder = Path(work)
    plan = json.loads((folder / "plan.json").read_bytes())
    if plan["exact"]:
        points = np.load(folder / "points.npy", mmap_mode="r")
        part = radius_part(points, start, stop, plan["radius"])
        _write(folder / _name(start), a=part.a, b=part.b, distance=part.distance)
    else:
        arrays = {field.name: np.load(folder / f"{field.name}.npy", mmap_mode="r") for field in fields(Cells)}
        distances, rows = others(Cells(**arrays), start, stop, plan["k"])
        _write(folder / _name(start), distances=distances, rows=rows)


def _begun(points: Floats, radius: float, exact: bool, folder: Path) -> Path:
    """The folder of this search in `folder`, with everything that tasks read; written unless it exists."""
    plan = {"format": _FORMAT, "exact": exact, "radius": radius, "k": NEIGHBOURS, "shape": list(points.shape)}
    mark = hashlib.sha256(json.dumps(plan, sort_keys=True).encode())
    for start in range(0, len(points), 1 << 16):
        mark.update(np.ascontiguousarray(points[start : start + (1 << 16)]).data)
    work = folder / f"neighbours-{mark.hexdigest()[:16]}"
    try:
        if not (work / "plan.json").is_file():
            work.mkdir(parents=True, exist_ok=True)
            arrays = {"points": points} if exact else _fields_of(lay_out(normalise(points), np.random.default_rng(0)))
            for name, array in arrays.items():
                with replacing(work / f"{name}.npy") as partial:
                    np.save(partial, array, allow_pickle=False)
            # Written last: if it exists, the rest is complete.
            with replacing(work / "plan.json") as partial:
                partial.write_text(json.dumps(plan))
    except OSError as error:
        raise DataError(
            f"cannot write {work}: {error.strerror or error}; name a folder that every machine can write, with "
            f"room for {4 * points.shape[1] * len(points) / 1e9:.1f} GB and more, then run the same command again"
        ) from None
    return work


def _fields_of(cells: Cells) -> dict[str, NDArray[Any]]:
    return {field.name: getattr(cells, field.name) for field in fields(cells)}


def _run(work: Path, blocks: list[tuple[int, int]], workers: int | None) -> None:
    """Search the blocks that have no file yet with Ray, a few at a time."""
    ray = require_ray()
    waiting = [(start, stop) for start, stop in blocks if not (work / _name(start)).is_file()]
    if not waiting:
        return
    cores = start_ray(ray, workers)
    # For a task of one core, Ray sets OMP_NUM_THREADS to 1.
    task = ray.remote(search_block).options(num_cpus=1, max_retries=_TRIES, retry_exceptions=[OSError])
    most = _WAITING * max(1, cores)
    running: list[Any] = []
    try:
        while waiting or running:
            while waiting and len(running) < most:
                running.append(task.remote(str(work), *waiting.pop(0)))
            ready, running = ray.wait(running)
            ray.get(ready)
    except ray.exceptions.RayError as error:
        cause = getattr(error, "cause", None) or error
        raise DataError(
            f"a search of neighbours failed {_TRIES + 1} times: {str(cause).splitlines()[0] or type(cause).__name__}; "
            f"the finished blocks are in {work}; run the same command again to continue"
        ) from None
    finally:
        for left in running:
            ray.cancel(left)


def _name(start: int) -> str:
    return f"block-{start:012d}.npz"


def _read(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with np.load(path) as file:
            return dict(file)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        path.unlink(missing_ok=True)
        raise DataError(
            f"{path} is damaged: {error}; it was deleted; run the same command again to recreate it"
        ) from None


def _write(path: Path, **arrays: NDArray[Any]) -> None:
    # Two tasks may write the same file, but with the same content.
    with replacing(path) as partial, partial.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
