"""Group the faces of more photos than one machine can process, with Ray (extra `ray`).

Two steps, each of which continues where it was stopped: faces and embeddings of the photos are written to a table, and
the neighbours of all faces to files that are deleted at the end. Linkage runs in one process.
"""

import functools
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facespace.bulk.harvest import writing
from facespace.bulk.parquet import require_pyarrow
from facespace.bulk.ray import harvest_with_ray
from facespace.clustering.arrange import Constraints, arrange
from facespace.clustering.ray import graph_with_ray
from facespace.clustering.threshold import Cut
from facespace.errors import DataError
from facespace.space import Space

# Faces read or written at a time.
_ROWS = 1 << 16


@dataclass(frozen=True)
class Grouped:
    """The result of grouping.

    faces, people : their numbers
    threshold : the squared distance at which the groups were cut
    out : the table of faces with the cluster of each; 0 is the largest cluster
    """

    faces: int
    people: int
    threshold: float
    out: Path


def group_with_ray(
    source: str,
    out: str | Path,
    space: Space,
    model: str | Path | None,
    cut: Cut,
    workers: int | None = None,
    truncated: bool = False,
    on_photo: Callable[[dict[str, Any]], None] = lambda row: None,
) -> Grouped:
    """Group the faces of many photos by person, as `cluster` does, on the machines that Ray is connected to.

    Parameters
    ----------
    source : path or URI
        A folder of photos (s3://, gs:// too), or the .parquet file that `facespace faces` wrote with a model.
    out : path
        A folder that every machine can read and write. The results are faces.parquet (unless `source` is such a file)
        and clusters.parquet.
    space : Space
    model : path or None
        The file of that space, which every machine can read; None for the model that ships with the package.
    cut : Cut
        The threshold, as `cut_of` returns it for the card of the space.
    workers, truncated
        As for `harvest_with_ray`.
    on_photo : callable
        Called with the row of each photo.

    Raises
    ------
    DataError
        No photos or faces, faces of another space, the folder holds another source's faces, or it cannot be written.
    """
    require_pyarrow()
    out = Path(out)
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
        _begun(out, source, space.id)
    table = Path(source)
    if table.suffix != ".parquet":
        table = out / "faces.parquet"
        if not table.exists():
            harvest_with_ray(source, table, model, None, workers, on_photo, truncated)
    points, photo = _points(table, space)
    if not len(points):
        raise DataError(f"no faces in {table}; check that its photos show people")
    nothing = Constraints.nothing(len(points))
    known = Constraints(nothing.together, _of_one_photo(photo), nothing.colour)
    work = out / "work"
    candidates = functools.partial(graph_with_ray, folder=work.absolute(), workers=workers)
    arranged = arrange(points, cut, known, candidates)
    labels = by_size(arranged.labels)
    with writing(out):
        written = _write(table, out / "clusters.parquet", labels)
        shutil.rmtree(work, ignore_errors=True)
    return Grouped(len(points), int(labels.max()) + 1, arranged.cut, written)


def by_size(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """The same groups numbered by size, largest first; of equal size the one that appears first."""
    order = np.argsort(-np.bincount(labels), kind="stable")
    number = np.empty(len(order), np.int64)
    number[order] = np.arange(len(order))
    return number[labels]


def _begun(out: Path, source: str, space: str) -> None:
    """Record the source of a folder; DataError if it belongs to another source."""
    plan, note = {"source": source, "space": space}, out / "source.json"
    if not note.exists():
        note.write_text(json.dumps(plan))
    elif (found := json.loads(note.read_text())) != plan:
        raise DataError(
            f"{out} holds the faces of {found.get('source')} by the space {str(found.get('space'))[:16]}, not of "
            f"{source} by {space[:16]}; name another folder"
        )


def _points(table: Path, space: Space) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Embeddings of the faces of a table, shape (n, d), and the number of the photo of each."""
    points: list[NDArray[np.float32]] = []
    photos: list[int] = []
    numbers: dict[str, int] = {}
    for batch in _batches(table, ["photo", "embedding"], space):
        embedding = batch.column("embedding").drop_null()
        if len(embedding) == 0:
            continue
        points.append(embedding.flatten().to_numpy().astype(np.float32, copy=False).reshape(-1, space.dimension))
        has = batch.column("embedding").is_valid()
        names = batch.column("photo").filter(has).to_pylist()
        photos += [numbers.setdefault(name, len(numbers)) for name in names]
    empty = np.empty((0, space.dimension), np.float32)
    return np.concatenate(points) if points else empty, np.array(photos, np.int64)


def _batches(table: Path, columns: list[str], space: Space | None = None) -> Iterator[Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(table) as file:
            found = json.loads((file.schema_arrow.metadata or {}).get(b"space", b"null"))
            if "embedding" not in file.schema_arrow.names or (space is not None and found != space.id):
                raise DataError(
                    f"{table} does not hold embeddings of this model; write it with: "
                    f"facespace faces FOLDER --out {table} --model MODEL"
                )
            yield from file.iter_batches(_ROWS, columns=columns)
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(f"cannot read {table}: {error}; it must be a .parquet file of `facespace faces`") from None


def _of_one_photo(photo: NDArray[np.int64]) -> NDArray[np.int64]:
    """All pairs of faces of one photo, int64, shape (m, 2): they show different people."""
    order = np.argsort(photo, kind="stable")
    faces = np.split(order, np.flatnonzero(np.diff(photo[order])) + 1)
    several = [part for part in faces if len(part) > 1]
    pairs = [np.stack([part[i], part[j]], axis=1) for part in several for i, j in [np.triu_indices(len(part), 1)]]
    return np.concatenate(pairs) if pairs else np.empty((0, 2), np.int64)


def _write(table: Path, out: Path, labels: NDArray[np.int64]) -> Path:
    """Write the faces of a table with the cluster of each; the file appears when it is complete."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema(
        [("cluster", pa.int64()), ("photo", pa.string()), ("face", pa.int32()), ("box", pa.list_(pa.float32(), 4))]
    )
    partial, at = out.with_name(f".{out.name}.writing"), 0
    with pq.ParquetWriter(partial, schema, compression="zstd") as writer:
        for batch in _batches(table, ["photo", "face", "box", "embedding"]):
            rows = batch.filter(batch.column("embedding").is_valid())
            clusters = pa.array(labels[at : at + len(rows)], pa.int64())
            at += len(rows)
            columns = [clusters, *(rows.column(name).cast(schema.field(name).type) for name in schema.names[1:])]
            writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))
    partial.replace(out)
    return out
