"""Storage of an index: quantised points (one signed byte per dimension) with ids and lengths; rows come and go.

The bytes are stored in tiles of 32 points, dimension by dimension, a layout that onnxruntime's kernels read with little
rearranging. docs/decisions/030-index-library.md has the measurements.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facespace.errors import EmbeddingError
from facespace.index.product import MAX_DIMENSIONS
from facespace.metric import as_points, quantise

Bytes = NDArray[np.int8]
Ids = NDArray[np.int64]
Floats = NDArray[np.float32]

# Id that fills the result if fewer than k points were found.
NO_ID = -1

# Deleted rows are dropped once they exceed this fraction, so a removal costs a constant share of a rebuild.
DEAD_SHARE = 0.25

# Points per tile: 32 of 128 bytes fill one page of memory.
WIDTH = 32

# Points converted to floats at once: 16,384 of 128 dimensions take 8 MB.
PAIRS = 1 << 14


@dataclass(frozen=True)
class Hits:
    """Search results, nearest first.

    distances : float32, shape (n, k), squared Euclidean, inf if fewer than k points exist
    ids : int64, shape (n, k), -1 if fewer than k points exist
    """

    distances: Floats
    ids: Ids


class Index(Protocol):
    """Points with ids, searchable by distance. One thread may change it while others search.

    A search sees all of a change or none of it.
    """

    def __len__(self) -> int: ...

    @property
    def dimension(self) -> int:
        """Dimension of the points."""
        ...

    def add(self, ids: ArrayLike, points: ArrayLike) -> None:
        """Add points; the ids must be new."""
        ...

    def remove(self, ids: ArrayLike) -> int:
        """Remove points; returns how many of the ids existed."""
        ...

    def replace(self, ids: ArrayLike, points: ArrayLike, gone: ArrayLike = ()) -> None:
        """Replace points with the same ids, add new ones, and remove others, in one change."""
        ...

    def search(self, queries: ArrayLike, k: int) -> Hits:
        """Find the k nearest points of each query."""
        ...

    def save(self, folder: Path, stamp: str = "") -> None:
        """Save to a folder; open it with `open_index`."""
        ...


@dataclass(frozen=True)
class Stored:
    """Snapshot of the points. Later changes do not show.

    tiles : int8, shape (t, d, WIDTH)
        Quantised points as columns, WIDTH per tile: row r is `tiles[r // WIDTH, :, r % WIDTH]`.
    ids : int64, shape (n,)
    inverse : float32, shape (n,)
        1 / L2 norm of each quantised point; 0 if the row is deleted.
    """

    tiles: Bytes
    ids: Ids
    inverse: Floats

    def __len__(self) -> int:
        return len(self.ids)

    def codes(self, rows: Ids) -> Bytes:
        """Quantised points of these rows, int8, shape (m, d)."""
        return self.tiles[rows // WIDTH, :, rows % WIDTH]

    def similarities(self, queries: Floats, own: Ids, rows: Ids) -> Floats:
        """Cosine similarity of query `own[i]` and row `rows[i]`; all distances of an index are computed from it.

        Parameters
        ----------
        queries : float32, shape (n, d), L2 norm 1
        own, rows : int64, shape (m,)

        Returns
        -------
        float32, shape (m,), 0 for a deleted row
        """
        found = np.empty(len(rows), np.float32)
        for start in range(0, len(rows), PAIRS):
            part = slice(start, start + PAIRS)
            codes = self.codes(rows[part]).astype(np.float32)
            found[part] = np.einsum("nd,nd->n", codes, queries[own[part]]) * self.inverse[rows[part]]
        return found


class _State(NamedTuple):
    """Arrays as in `Stored` with spare capacity, the number of rows in use, and how many of these are deleted."""

    tiles: Bytes
    ids: Ids
    inverse: Floats
    filled: int
    dead: int


class Rows:
    """Quantised points in growing arrays, shared by all kinds of index."""

    def __init__(self, dimension: int):
        if not 1 <= dimension <= MAX_DIMENSIONS:
            raise ValueError(f"an index holds points of 1 to {MAX_DIMENSIONS:,} dimensions, not {dimension:,}")
        # Replaced as a whole, so that a search in another thread sees all of a change or none of it.
        self._state = _State(
            np.empty((0, dimension, WIDTH), np.int8), np.empty(0, np.int64), np.empty(0, np.float32), 0, 0
        )
        self._largest_id = -1

    @classmethod
    def of(cls, tiles: Bytes, ids: Ids, alive: NDArray[np.bool_]) -> "Rows":
        """Make rows from existing arrays, such as memory-mapped ones, without copying them."""
        rows = cls(tiles.shape[1])
        stored = Stored(tiles, ids, np.empty(0, np.float32))
        inverse = np.concatenate(
            [np.empty(0, np.float32), *map(_inverse_lengths, _chunks(stored, np.arange(len(ids))))]
        )
        # An id can be in a deleted row and, if it was added again, in a live one: deletion is a property of the row.
        rows._state = _State(tiles, ids, inverse * alive, len(ids), int(len(alive) - alive.sum()))
        rows._largest_id = int(ids.max(initial=-1))
        return rows

    def __len__(self) -> int:
        state = self._state
        return state.filled - state.dead

    @property
    def dimension(self) -> int:
        """Dimension of the points."""
        return int(self._state.tiles.shape[1])

    @property
    def needs_compacting(self) -> bool:
        """Whether enough rows are deleted for dropping them to pay off."""
        return self._state.dead > DEAD_SHARE * self._state.filled

    def stored(self) -> Stored:
        """Snapshot of all rows, including deleted ones."""
        tiles, ids, inverse, count, _ = self._state
        return Stored(tiles[: -(-count // WIDTH)], ids[:count], inverse[:count])

    def codes(self) -> Iterator[Bytes]:
        """Quantised points of all rows, including deleted ones, in chunks of some thousands."""
        stored = self.stored()
        return _chunks(stored, np.arange(len(stored)))

    def append(self, ids: ArrayLike, codes: Bytes) -> None:
        """Add rows; ValueError, and no change, if an id exists already."""
        given = _new_ids(ids, codes)
        # Ids mostly increase, and then need no comparison with the others.
        if len(given) and given.min() <= self._largest_id and len(self._alive(given)):
            raise ValueError("an id is in the index already; remove it first")
        self._change(given, codes, np.empty(0, np.int64))

    def kill(self, ids: ArrayLike) -> int:
        """Mark rows as deleted; returns how many there were."""
        dying = self._alive(np.asarray(ids, np.int64))
        self._change(np.empty(0, np.int64), np.empty((0, self.dimension), np.int8), dying)
        return len(dying)

    def replace(self, ids: ArrayLike, codes: Bytes, gone: ArrayLike = ()) -> None:
        """Add rows, and delete those that had the same ids and those of `gone`, in one change."""
        given = _new_ids(ids, codes)
        self._change(given, codes, self._alive(np.concatenate([given, np.asarray(gone, np.int64).ravel()])))

    def _alive(self, ids: Ids) -> Ids:
        """Live rows with these ids."""
        stored = self.stored()
        return np.flatnonzero(np.isin(stored.ids, ids) & (stored.inverse > 0))

    def _change(self, ids: Ids, codes: Bytes, dying: Ids) -> None:
        """Add and delete rows. The arrays double when full, so n additions copy O(n)."""
        if not len(ids) and not len(dying):
            return
        old, (tiles, ids_room, inverse_room, count, dead) = self.stored(), self._state
        needed = count + len(ids)
        if needed > len(ids_room) or not tiles.flags.writeable:
            room = -(-max(needed, 2 * count, 1024) // WIDTH) * WIDTH
            tiles = _grown(old.tiles, room // WIDTH)
            ids_room, inverse_room = _grown(old.ids, room), _grown(old.inverse, room)
        elif len(dying):
            # A search of the old state must not see a row deleted before it sees the replacement.
            inverse_room = inverse_room.copy()
        if len(ids):
            _write(tiles, count, codes)
            ids_room[count:needed] = ids
            inverse_room[count:needed] = _inverse_lengths(codes)
        inverse_room[dying] = 0
        self._state = _State(tiles, ids_room, inverse_room, needed, dead + len(dying))
        self._largest_id = max(self._largest_id, int(ids.max(initial=-1)))

    def compact(self) -> None:
        """Drop the deleted rows."""
        stored = self.stored()
        alive = np.flatnonzero(stored.inverse > 0)
        tiles = np.zeros((-(-len(alive) // WIDTH), self.dimension, WIDTH), np.int8)
        at = 0
        for codes in _chunks(stored, alive):
            _write(tiles, at, codes)
            at += len(codes)
        self._state = _State(tiles, stored.ids[alive], stored.inverse[alive], len(alive), 0)


def _new_ids(ids: ArrayLike, codes: Bytes) -> Ids:
    """Check the ids of new points; int64, shape (n,)."""
    given = np.asarray(ids, np.int64).ravel()
    if len(given) != len(codes):
        raise ValueError(f"{len(given)} ids were given for {len(codes)} points")
    if len(given) and (given.min() < 0 or len(np.unique(given)) != len(given)):
        raise ValueError("ids must be distinct and not negative")
    return given


def as_codes(points: ArrayLike, dimension: int) -> Bytes:
    """Quantise float rows of L2 norm 1; int8 rows are already quantised and are used unchanged.

    Raises EmbeddingError for anything else.
    """
    array = np.asarray(points)
    if array.dtype != np.int8:
        return quantise(as_points(points, dimension, "points"))
    if array.ndim != 2 or array.shape[1] != dimension:
        raise EmbeddingError(f"points must have shape (n, {dimension}), not {array.shape}")
    if len(array) and not array.any(axis=1).all():
        raise EmbeddingError("a quantised point is all zeros and has no direction")
    return array


def as_queries(queries: ArrayLike, dimension: int, k: int) -> Floats:
    """Check queries: float32, shape (n, dimension), L2 norm 1; raises EmbeddingError if they are not."""
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}")
    points = as_points(queries, dimension, "queries")
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def _inverse_lengths(codes: Bytes) -> Floats:
    # In blocks, because a million rows as floats would take four times the memory of the index.
    inverse = np.empty(len(codes), np.float32)
    for start in range(0, len(codes), PAIRS):
        block = codes[start : start + PAIRS].astype(np.float32)
        inverse[start : start + len(block)] = 1 / np.linalg.norm(block, axis=1)
    return inverse


def _chunks(stored: Stored, rows: Ids) -> Iterator[Bytes]:
    return (stored.codes(rows[start : start + PAIRS]) for start in range(0, len(rows), PAIRS))


def _write(tiles: Bytes, first: int, codes: Bytes) -> None:
    """Write points as consecutive rows from `first`: whole tiles at once, and partial tiles at both ends."""
    begin = min(-first % WIDTH, len(codes))
    whole = (len(codes) - begin) // WIDTH
    end = begin + whole * WIDTH
    tile = (first + begin) // WIDTH
    tiles[tile : tile + whole] = codes[begin:end].reshape(whole, WIDTH, codes.shape[1]).transpose(0, 2, 1)
    for part in (slice(0, begin), slice(end, len(codes))):
        rows = np.arange(first, first + len(codes))[part]
        tiles[rows // WIDTH, :, rows % WIDTH] = codes[part]


def _grown(array: NDArray[Any], room: int) -> NDArray[Any]:
    # Zeros rather than uninitialised memory, because the last tile is saved whole.
    larger = np.zeros((room, *array.shape[1:]), array.dtype)
    larger[: len(array)] = array
    return larger
