"""A hierarchical navigable small world graph: approximate search in less than a millisecond among a million.

The graph is faiss's. It proposes candidates; their distances are then taken from the same quantised rows as those
of `ExactIndex`, so the two give equal numbers for what both find.

References
----------
Malkov and Yashunin, Efficient and robust approximate nearest neighbor search using hierarchical navigable small
world graphs, 2018.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facespace.index.files import save_rows
from facespace.index.library import faiss_library, has_faiss
from facespace.index.lock import SharedLock
from facespace.index.rows import NOBODY, Hits, Rows, Stored, as_codes, as_queries

# Links a point keeps (twice as many on the lowest level), and points looked at while building.
# docs/decisions/030-index-library.md tells recall and time of each choice.
LINKS = 16
BUILD_WIDTH = 128

# Points looked at while searching: at least so many, one for each so many points, at most so many. A constant number
# would find ever less: faces of strangers lie nearly equally far, and there are ever more of them.
LEAST_WIDTH, POINTS_EACH, MOST_WIDTH = 192, 200, 4_096

# Points added at a time: an interrupt is heard between two of these.
CHUNK = 1 << 14


class HnswIndex:
    """Approximate search over quantised points through a graph. Needs the extra `index`.

    Building it with several threads is not repeatable to the bit: two graphs of the same points may differ in
    which rare neighbours they miss. One thread may change it while others search.

    Parameters
    ----------
    dimension : int
    width : int or None
        Points looked at in a search: more find more of the true neighbours, and take longer. By the number of points
        where None.

    Attributes
    ----------
    stamp : str
        The one it was saved with, where it was opened from a folder.

    Raises
    ------
    FacespaceError
        faiss is not installed.
    """

    kind = "hnsw"

    def __init__(self, dimension: int, width: int | None = None):
        self._rows = Rows(dimension)
        self._width = width
        self.stamp = ""
        self._graph = self._new_graph()
        self._mapped = False
        # faiss moves its arrays as they grow: nobody may search meanwhile.
        self._lock = SharedLock()

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def dimension(self) -> int:
        """Numbers in a point."""
        return self._rows.dimension

    def add(self, ids: ArrayLike, points: ArrayLike) -> None:
        """Add points; as for `ExactIndex.add`. Each is linked into the graph, nothing is built anew."""
        codes = as_codes(points, self.dimension)
        with self._lock.writing():
            self._unmap()
            self._rows.append(ids, codes)
            self._link(self._graph, codes)

    def remove(self, ids: ArrayLike) -> int:
        """Take points out; they stay in the graph as ways through until a quarter is dead, then it is rebuilt."""
        with self._lock.writing():
            removed = self._rows.kill(ids)
            self._compact()
        return removed

    def replace(self, ids: ArrayLike, points: ArrayLike, gone: ArrayLike = ()) -> None:
        """Put points in place of others and take others out, in one change; as for `ExactIndex.replace`."""
        codes = as_codes(points, self.dimension)
        with self._lock.writing():
            self._unmap()
            self._rows.replace(ids, codes, gone)
            self._link(self._graph, codes)
            self._compact()

    def search(self, queries: ArrayLike, k: int) -> Hits:
        """The k nearest of each query, as far as the graph finds them; as for `ExactIndex.search`."""
        points = as_queries(queries, self.dimension, k)
        distances = np.full((len(points), k), np.inf, np.float32)
        found = np.full((len(points), k), NOBODY, np.int64)
        if not len(self._rows) or not len(points):
            return Hits(distances, found)
        faiss = faiss_library()
        with self._lock.reading():
            stored = self._rows.stored()
            # The dead are found like any others: their share of the places is lost.
            wanted = min(len(stored), max(2 * k, 32) * 4 // 3 + 1)
            width = self._width or min(MOST_WIDTH, max(LEAST_WIDTH, len(stored) // POINTS_EACH))
            parameters = faiss.SearchParametersHNSW(efSearch=max(width, wanted))
            _, rows = self._graph.search(_directions(points), wanted, params=parameters)
        exact = _distances(points, stored, rows)
        order = np.lexsort((rows, exact), axis=1)[:, :k]
        nearest = np.take_along_axis(exact, order, 1)
        kept = np.isfinite(nearest)
        columns = slice(0, nearest.shape[1])
        distances[:, columns] = nearest
        found[:, columns][kept] = stored.ids[np.take_along_axis(rows, order, 1)[kept]]
        return Hits(distances, found)

    def save(self, folder: Path, stamp: str = "") -> None:
        """Write to a folder (made if absent), to be opened with `open_index`; see `ExactIndex.save`."""
        faiss = faiss_library()
        with self._lock.reading():
            graph = {"graph": lambda path: faiss.write_index(self._graph, str(path))}
            save_rows(folder, self.kind, self._rows, stamp, graph, width=self._width)

    def _new_graph(self) -> Any:
        faiss = faiss_library()
        graph = faiss.IndexHNSWSQ(self.dimension, faiss.ScalarQuantizer.QT_8bit_direct_signed, LINKS)
        graph.hnsw.efConstruction = BUILD_WIDTH
        return graph

    def _compact(self) -> None:
        """Drop the dead points, and build the graph again, where they are too many."""
        if self._rows.needs_compacting:
            self._rows.compact()
            self._graph, self._mapped = self._new_graph(), False
            for codes in self._rows.codes():
                self._link(self._graph, codes)

    def _unmap(self) -> None:
        """faiss ends the process where a mapped graph is changed: copy it to memory first."""
        if self._mapped:
            faiss = faiss_library()
            self._graph = faiss.deserialize_index(faiss.serialize_index(self._graph))
            self._mapped = False

    def _link(self, graph: Any, codes: NDArray[np.int8]) -> None:
        for start in range(0, len(codes), CHUNK):
            graph.add(_directions(codes[start : start + CHUNK].astype(np.float32)))


def open_hnsw(rows: Rows, path: Path, description: dict[str, Any], memory_map: bool) -> HnswIndex | None:
    """The index of a saved graph; None where the two do not fit together, or faiss is absent."""
    if not has_faiss():
        return None
    faiss = faiss_library()
    graph = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC if memory_map else 0)
    if graph.ntotal != description["rows"] or graph.d != rows.dimension:
        return None
    index = HnswIndex(rows.dimension, description["width"])
    index._rows, index._graph, index._mapped = rows, graph, memory_map
    return index


def _directions(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Unit vectors at one common scale, as bytes want them.

    The graph compares plain bytes, so all rows need one length. A component of a d-dimensional unit vector seldom
    passes 5.5 / sqrt(d); those few are clipped, which only ever costs the graph a candidate.
    """
    lengths = np.linalg.norm(points, axis=1, keepdims=True)
    scale = 127 * np.sqrt(points.shape[1]) / 5.5
    return np.clip(np.rint(points * (scale / lengths)), -127, 127).astype(np.float32)


def _distances(queries: NDArray[np.float32], stored: Stored, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Squared distances of each query to its own rows; inf for no row or a dead one."""
    distances = np.full(rows.shape, np.inf, np.float32)
    own, column = np.nonzero((rows >= 0) & (stored.inverse[rows] > 0))
    similarity = stored.similarities(queries, own, rows[own, column])
    distances[own, column] = np.clip(2 - 2 * similarity, 0, 4)
    return distances
