"""Approximate search through a hierarchical navigable small world graph: under a millisecond among a million points.

faiss builds the graph and proposes candidates. Their distances are then computed from the same quantised rows as in
`ExactIndex`, so both report equal distances for the points that both find.

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
from facespace.index.rows import NO_ID, Hits, Rows, Stored, as_codes, as_queries

# Links per point (twice as many on the lowest level), and points visited per insertion.
# docs/decisions/030-index-library.md has recall and time of each choice.
LINKS = 16
BUILD_WIDTH = 128

# Points visited per search: one per POINTS_EACH points, within these bounds. With a constant number, recall would fall
# as the gallery grows, because strangers' faces lie at nearly equal distances.
MIN_WIDTH, POINTS_EACH, MAX_WIDTH = 192, 200, 4_096

# Points added per call to faiss; an interrupt is handled between two calls.
CHUNK = 1 << 14


class HnswIndex:
    """Approximate search over quantised points through a graph. Needs the extra `index`.

    Building with several threads is not deterministic: two graphs of the same points may miss different rare
    neighbours. One thread may change the index while others search.

    Parameters
    ----------
    dimension : int
    width : int or None
        Points visited per search: more find more of the true neighbours and take longer. None decides by size.

    Attributes
    ----------
    stamp : str
        The stamp it was saved with, if it was opened from a folder.

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
        # faiss reallocates its arrays as they grow, so nobody may search meanwhile.
        self._lock = SharedLock()

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def dimension(self) -> int:
        """Dimension of the points."""
        return self._rows.dimension

    def add(self, ids: ArrayLike, points: ArrayLike) -> None:
        """Add points, as `ExactIndex.add`. Each is linked into the existing graph."""
        codes = as_codes(points, self.dimension)
        with self._lock.writing():
            self._unmap()
            self._rows.append(ids, codes)
            self._link(self._graph, codes)

    def remove(self, ids: ArrayLike) -> int:
        """Remove points. They stay in the graph as waypoints until a quarter is deleted; then it is rebuilt."""
        with self._lock.writing():
            removed = self._rows.kill(ids)
            self._compact()
        return removed

    def replace(self, ids: ArrayLike, points: ArrayLike, gone: ArrayLike = ()) -> None:
        """Replace, add and remove points in one change, as `ExactIndex.replace`."""
        codes = as_codes(points, self.dimension)
        with self._lock.writing():
            self._unmap()
            self._rows.replace(ids, codes, gone)
            self._link(self._graph, codes)
            self._compact()

    def search(self, queries: ArrayLike, k: int) -> Hits:
        """Find the k nearest points of each query, as far as the graph finds them; as `ExactIndex.search`."""
        points = as_queries(queries, self.dimension, k)
        distances = np.full((len(points), k), np.inf, np.float32)
        found = np.full((len(points), k), NO_ID, np.int64)
        if not len(self._rows) or not len(points):
            return Hits(distances, found)
        faiss = faiss_library()
        with self._lock.reading():
            stored = self._rows.stored()
            # The graph also returns deleted points, so ask for more than k.
            wanted = min(len(stored), max(2 * k, 32) * 4 // 3 + 1)
            width = self._width or min(MAX_WIDTH, max(MIN_WIDTH, len(stored) // POINTS_EACH))
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
        """Save to a folder, which is created if needed; see `ExactIndex.save`."""
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
        """Drop deleted points and rebuild the graph if there are too many of them."""
        if self._rows.needs_compacting:
            self._rows.compact()
            self._graph, self._mapped = self._new_graph(), False
            for codes in self._rows.codes():
                self._link(self._graph, codes)

    def _unmap(self) -> None:
        """Copy a memory-mapped graph to memory: faiss crashes the process if a mapped graph is changed."""
        if self._mapped:
            faiss = faiss_library()
            self._graph = faiss.deserialize_index(faiss.serialize_index(self._graph))
            self._mapped = False

    def _link(self, graph: Any, codes: NDArray[np.int8]) -> None:
        for start in range(0, len(codes), CHUNK):
            graph.add(_directions(codes[start : start + CHUNK].astype(np.float32)))


def open_hnsw(rows: Rows, path: Path, description: dict[str, Any], memory_map: bool) -> HnswIndex | None:
    """Open a saved graph; returns None if it does not match the rows, or faiss is not installed."""
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
    """Unit vectors scaled by one common factor, to be rounded to bytes.

    The graph compares plain bytes, so all rows need the same length. Components of a d-dimensional unit vector rarely
    exceed 5.5 / sqrt(d). Those that do are clipped, which affects only the choice of candidates.
    """
    lengths = np.linalg.norm(points, axis=1, keepdims=True)
    scale = 127 * np.sqrt(points.shape[1]) / 5.5
    return np.clip(np.rint(points * (scale / lengths)), -127, 127).astype(np.float32)


def _distances(queries: NDArray[np.float32], stored: Stored, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Squared distances between each query and its own rows; inf for missing and deleted rows."""
    distances = np.full(rows.shape, np.inf, np.float32)
    own, column = np.nonzero((rows >= 0) & (stored.inverse[rows] > 0))
    similarity = stored.similarities(queries, own, rows[own, column])
    distances[own, column] = np.clip(2 - 2 * similarity, 0, 4)
    return distances
