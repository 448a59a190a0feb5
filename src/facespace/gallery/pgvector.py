"""Search inside PostgreSQL with pgvector: no process holds the points, and all processes share one index."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from facespace.errors import GalleryError
from facespace.gallery.postgres import Postgres
from facespace.gallery.store import Store
from facespace.index import Hits
from facespace.metric import dequantise

# With fewer people, pgvector is not asked for a graph, which finds fewer of the nearest.
EXACT_UP_TO = 1_000_000


class PgVectorIndex:
    """An `Index` inside the database: pgvector, exact or HNSW.

    Parameters
    ----------
    sql : Postgres
    dimension : int
    kind : 'exact' or 'hnsw'
        With 'hnsw', `save` builds the graph, and the database maintains it from then on.
    """

    def __init__(self, sql: Postgres, dimension: int, kind: str = "exact"):
        self._sql, self._dimension, self.kind = sql, dimension, kind
        with sql.writing("index"):
            sql.run("CREATE EXTENSION IF NOT EXISTS vector")
            sql.run(
                f"CREATE TABLE IF NOT EXISTS point (id BIGINT PRIMARY KEY, point vector({int(dimension)}) NOT NULL)"
            )

    def __len__(self) -> int:
        with self._sql.explaining("read"):
            return int(self._sql.run("SELECT count(*) FROM point")[0][0])

    @property
    def dimension(self) -> int:
        """Dimension of the points."""
        return self._dimension

    def add(self, ids: ArrayLike, points: ArrayLike) -> None:
        """Add points: floats of L2 norm 1, or int8 from `quantise`; GalleryError if an id exists already."""
        given = np.asarray(points)
        unit = dequantise(given) if given.dtype == np.int8 else given
        statement = "INSERT INTO point (id, point) VALUES (?, ?)"
        with self._sql.writing("index"):
            self._sql.many(statement, [(int(i), _text(point)) for i, point in zip(np.asarray(ids), unit, strict=True)])

    def remove(self, ids: ArrayLike) -> int:
        """Remove points; returns how many of the ids existed."""
        wanted = [int(i) for i in np.asarray(ids).ravel()]
        with self._sql.writing("index"):
            return len(self._sql.run("DELETE FROM point WHERE id = ANY(?) RETURNING id", (wanted,)))

    def replace(self, ids: ArrayLike, points: ArrayLike, gone: ArrayLike = ()) -> None:
        """Replace points with the same ids, add new ones, and remove others."""
        with self._sql.writing("index"):
            self.remove(np.concatenate([np.asarray(ids, np.int64), np.asarray(gone, np.int64)]))
            self.add(ids, points)

    def search(self, queries: ArrayLike, k: int) -> Hits:
        """Find the k nearest points of each query."""
        asked = np.asarray(queries, np.float32)
        distances = np.full((len(asked), k), np.inf, np.float32)
        ids = np.full((len(asked), k), -1, np.int64)
        with self._sql.explaining("search"), self._sql.connection.transaction():
            # Without the graph, the planner compares with every point.
            self._sql.run(f"SET LOCAL enable_indexscan = {'on' if self.kind == 'hnsw' else 'off'}")
            if self.kind == "hnsw":
                self._sql.run(f"SET LOCAL hnsw.ef_search = {min(1000, max(96, 2 * k))}")
            for row, query in enumerate(asked):
                found = self._sql.run(
                    "SELECT id, point <-> ? FROM point ORDER BY point <-> ? LIMIT ?", (_text(query), _text(query), k)
                )
                ids[row, : len(found)] = [i for i, _ in found]
                distances[row, : len(found)] = [distance**2 for _, distance in found]
        return Hits(distances, ids)

    def save(self, folder: object = None, stamp: str = "") -> None:
        """Build the graph, if the kind has one; the points are in the database already."""
        if self.kind == "hnsw":
            with self._sql.writing("index"):
                self._sql.run(
                    "CREATE INDEX IF NOT EXISTS point_graph ON point USING hnsw (point vector_l2_ops) "
                    "WITH (m = 16, ef_construction = 128)"
                )


def _text(point: ArrayLike) -> str:
    return "[" + ",".join(f"{value:.8g}" for value in np.asarray(point).tolist()) + "]"


class SharedIndex:
    """Templates of a store in PostgreSQL as pgvector points, updated by whoever searches first after a change.

    Raises
    ------
    GalleryError
        pgvector is not installed in the database.
    """

    def __init__(self, store: Store, sql: Postgres):
        self._store, self._sql = store, sql
        with store.reading():
            made = sql.run("SELECT to_regclass('point_state')")[0][0] is not None
        if not made or self._state()[0] != store.space_id:
            with store.writing("index"):
                sql.run("CREATE EXTENSION IF NOT EXISTS vector")
                sql.run(
                    "CREATE TABLE IF NOT EXISTS point_state "
                    "(space TEXT NOT NULL, number BIGINT NOT NULL, kind TEXT NOT NULL)"
                )
                # Another process may have created it while this one waited.
                if self._state()[0] != store.space_id:
                    self._begin("exact")
        self._points = PgVectorIndex(sql, store.dimension, self._state()[2])

    def __len__(self) -> int:
        with self._store.reading():
            return len(self._points)

    @property
    def kind(self) -> str:
        """'exact' or 'hnsw'."""
        return str(self._state()[2])

    @property
    def usual_kind(self) -> str:
        """The kind to build for this number of people."""
        return "exact" if self._store.count() <= EXACT_UP_TO else "hnsw"

    def follow(self) -> None:
        """Bring the points up to date with the store; another process may have done so already."""
        with self._store.writing("index"):
            _, seen, kind = self._state()
            number, templates, gone = self._store.templates_since(seen)
            if templates or gone:
                codes = np.array([template.code for template in templates], np.int8).reshape(-1, self._store.dimension)
                self._points.replace([template.person_id for template in templates], codes, gone)
            self._sql.run("UPDATE point_state SET number = ?", (number,))
            # Another process may have built the graph.
            self._points.kind = kind

    def search(self, queries: ArrayLike, k: int) -> Hits:
        """Find the k nearest points of each query."""
        with self._store.reading():
            return self._points.search(queries, k)

    def build(self, kind: str) -> None:
        """Rebuild all points, and the graph if the kind has one; changes by others wait meanwhile."""
        with self._store.writing("index"):
            self._begin(kind)
            self._points = PgVectorIndex(self._sql, self._store.dimension, kind)
            self.follow()
            self._points.save()

    def forget(self) -> bool:
        """Remove the points of deleted people, and free their storage."""
        self.follow()
        with self._store.reading():
            self._sql.run("VACUUM point")
        return True

    def _state(self) -> tuple[Any, ...]:
        """The space, the last change seen, and the kind of index stored there."""
        with self._store.reading():
            rows = self._sql.run("SELECT space, number, kind FROM point_state")
        return rows[0] if rows else (None, 0, "exact")

    def _begin(self, kind: str) -> None:
        self._sql.run("DROP TABLE IF EXISTS point")
        self._sql.run("DELETE FROM point_state")
        self._sql.run("INSERT INTO point_state (space, number, kind) VALUES (?, 0, ?)", (self._store.space_id, kind))


def shared_index(store: Store) -> SharedIndex | None:
    """Return the index inside a store's database; None if it cannot have one.

    SQLite cannot, nor PostgreSQL without pgvector, nor an encrypted store: the points would be readable there.
    """
    if store.sealed or not isinstance(store.sql, Postgres):
        return None
    try:
        return SharedIndex(store, store.sql)
    except GalleryError as error:
        if "extension" in str(error):
            return None
        raise
