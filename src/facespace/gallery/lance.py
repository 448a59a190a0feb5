"""LanceDB as a vector engine: tables in a folder or an object store, read by any number of machines (extra `lancedb`).

There is no server. Each process searches the files itself and keeps what it read in its cache, so more processes
answer more searches, and the object store keeps the points.
"""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from facespace.errors import GalleryError
from facespace.gallery.vectors import FORMAT, Floats, Ids, State

T = TypeVar("T")

# Tables: the points, and one row that says what they are.
_POINTS, _STATE = "points", "state"

# Dimensions that product quantisation encodes in one byte. With four, it is too coarse to decide, but not to propose.
_PIECE = 4

# Partitions searched: at least _LEAST_PROBES, and one in _ONE_IN, which is some 4 % of all points.
_LEAST_PROBES, _ONE_IN = 20, 25

# Versions to delete: all but the newest. LanceDB warns of 0, as a reader of an older one fails; ours reads again.
_ALL_OLD = timedelta(milliseconds=1)

# Up to this many people a removal rewrites all points: some 50 MB.
_REWRITTEN = 100_000

# Ids of one DELETE.
_AT_ONCE = 1_000


class LanceEngine:
    """Tables of LanceDB at one place, which belongs to one gallery.

    Parameters
    ----------
    place : str
        A folder, or a URI that LanceDB knows, such as s3://bucket/folder.

    Raises
    ------
    GalleryError
        The package is not installed, or the place cannot be read.
    """

    def __init__(self, place: str):
        lancedb = _lancedb()
        self.where = f"lancedb:{place}"
        if "://" not in place:
            place = str(Path(place).absolute())
        with self._explaining("open"):
            # Every read checks for a newer version first, so a change is visible to all processes at once.
            self._base = lancedb.connect(place, read_consistency_interval=timedelta(0))
        self._opened: Any = None

    def state(self) -> State | None:
        """The state that was written last; None if there is none, or if a table is missing."""
        with self._explaining("read"):
            names = self._names()
            if not {_POINTS, _STATE} <= names:
                self._opened = None
                return None
            rows = self._base.open_table(_STATE).to_arrow().to_pylist()
        try:
            found = json.loads(rows[0]["state"])
            if int(found["format"]) > FORMAT:
                return State("", "", 0, format=int(found["format"]))
            return State(**found)
        except (IndexError, KeyError, TypeError, ValueError):
            return None

    def begin(self, state: State, dimension: int) -> None:
        """Delete all points and write the state."""
        import pyarrow as pa

        schema = pa.schema([("id", pa.int64()), ("point", pa.list_(pa.float32(), dimension))])
        with self._explaining("write"):
            # The state first: while it is missing, the points count as incomplete.
            self._base.drop_table(_STATE, ignore_missing=True)
            self._opened = self._base.create_table(_POINTS, schema=schema, mode="overwrite")
            self._opened.optimize(cleanup_older_than=_ALL_OLD)
            self._note(state)

    def change(self, ids: Ids, points: Floats, gone: Ids, state: State) -> None:
        """Replace points with the same ids, add new ones, delete others, and then write the state."""
        import pyarrow as pa

        with self._explaining("write"):
            table = self._points()
            if len(ids):
                flat = pa.FixedSizeListArray.from_arrays(pa.array(points.ravel(), pa.float32()), points.shape[1])
                rows = pa.Table.from_arrays([pa.array(ids, pa.int64()), flat], schema=table.schema)
                if table.count_rows():
                    writing = table.merge_insert("id").when_matched_update_all().when_not_matched_insert_all()
                    writing.execute(rows)
                else:
                    table.add(rows)
            for start in range(0, len(gone), _AT_ONCE):
                table.delete(f"id IN ({', '.join(map(str, gone[start : start + _AT_ONCE].tolist()))})")
            self._note(state)

    def propose(self, queries: Floats, k: int) -> Ids:
        """Ids that are probably the nearest of each query, int64, shape (n, k), -1 where there are fewer."""
        found = np.full((len(queries), k), -1, np.int64)

        def search() -> None:
            table = self._points()
            probes = self._probes(table)
            for row, query in enumerate(queries):
                asked = table.search(query, vector_column_name="point").distance_type("l2").limit(k)
                asked = asked.select(["id", "_distance"])
                if probes:
                    asked = asked.nprobes(probes)
                ids = asked.to_arrow()["id"].to_numpy()
                found[row, : len(ids)] = ids

        with self._explaining("search"):
            self._again(search)
        return found

    def count(self) -> int:
        """Number of points."""
        with self._explaining("read"):
            return self._again(lambda: int(self._points().count_rows()))

    def build(self, state: State) -> None:
        """Build the index of the state's kind over all points, and write the state."""
        with self._explaining("index"):
            table = self._points()
            for index in table.list_indices():
                table.drop_index(index.name)
            if state.kind == "approximate" and table.count_rows():
                self._index(table)
            table.optimize(cleanup_older_than=_ALL_OLD)
            self._note(state)

    def compact(self) -> bool:
        """Delete the files that contain deleted points; returns whether none is left."""
        with self._explaining("write"):
            table = self._points()
            # LanceDB only marks rows as deleted, and rewrites a file once a tenth of it is.
            small = table.count_rows() <= _REWRITTEN
            if small:
                indexed = bool(list(table.list_indices()))
                self._opened = table = self._base.create_table(_POINTS, table.to_arrow(), mode="overwrite")
                if indexed and table.count_rows():
                    self._index(table)
            table.optimize(cleanup_older_than=_ALL_OLD)
            return small

    def _index(self, table: Any) -> None:
        from lancedb.index import IvfPq

        dimension = table.schema.field("point").type.list_size
        pieces = next(dimension // piece for piece in (_PIECE, 2, 1) if dimension % piece == 0)
        table.create_index("point", config=IvfPq(distance_type="l2", num_sub_vectors=pieces))

    def _probes(self, table: Any) -> int:
        """Number of partitions to search; 0 if all points are compared."""
        indices = list(table.list_indices())
        if not indices:
            return 0
        statistics = table.index_stats(indices[0].name)
        rows = 0 if statistics is None else int(statistics.num_indexed_rows)
        return max(_LEAST_PROBES, round(rows**0.5 / _ONE_IN))

    def _note(self, state: State) -> None:
        self._base.create_table(_STATE, [{"state": json.dumps(vars(state))}], mode="overwrite")

    def _names(self) -> set[str]:
        return set(self._base.list_tables().tables)

    def _points(self) -> Any:
        if self._opened is None:
            self._opened = self._base.open_table(_POINTS)
        return self._opened

    def _again(self, read: Callable[[], T]) -> T:
        """Read, and if that fails once more, because another process may have deleted the version being read."""
        try:
            return read()
        except Exception:
            self._opened = None
            return read()

    @contextmanager
    def _explaining(self, doing: str) -> Iterator[None]:
        """Turn the engine's errors into a GalleryError that says what to do."""
        try:
            yield
        except GalleryError:
            raise
        except Exception as error:
            # LanceDB raises RuntimeError, ValueError, OSError and its own, with places in its source behind the reason.
            reason = " ".join(str(error).split())[:300] or type(error).__name__
            raise GalleryError(
                f"cannot {doing} the vector engine {self.where}: {reason}; the gallery itself is untouched. Check that "
                "the place can be reached, its credentials and its free space; if its points are lost, "
                "`facespace gallery index` writes them again"
            ) from None


def _lancedb() -> Any:
    # Otherwise it writes a line to standard error for each table that it makes.
    os.environ.setdefault("LANCEDB_LOG", "error")
    try:
        import lancedb
    except ImportError:
        raise GalleryError("the vector engine lancedb needs its package: pip install 'facespace[lancedb]'") from None
    return lancedb
