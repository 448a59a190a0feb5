"""Points as an index keeps them: one signed byte a dimension, an id, and a length; rows come and go."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facespace.metric import as_embeddings, quantise

Bytes = NDArray[np.int8]
Ids = NDArray[np.int64]
Floats = NDArray[np.float32]

# The id of no point: fills up where fewer than k were found.
NOBODY = -1

# Dead rows are dropped once they are this share of all: each removal costs a constant share of a rebuild.
DEAD_SHARE = 0.25


@dataclass(frozen=True)
class Hits:
    """What a search found, nearest first.

    distances : float32, shape (n, k), squared Euclidean, inf where fewer than k points exist
    ids : int64, shape (n, k), -1 where fewer than k points exist
    """

    distances: Floats
    ids: Ids


class Index(Protocol):
    """Points with ids, searched by distance. One thread may change it while others search."""

    def __len__(self) -> int: ...

    @property
    def dimension(self) -> int:
        """Numbers in a point."""
        ...

    def add(self, ids: ArrayLike, points: ArrayLike) -> None:
        """Add points; ids must not be there yet."""
        ...

    def remove(self, ids: ArrayLike) -> int:
        """Take points out; how many of the ids were there."""
        ...

    def search(self, queries: ArrayLike, k: int) -> Hits:
        """The k nearest of each query."""
        ...

    def save(self, folder: Path, stamp: str = "") -> None:
        """Write to a folder, to be opened with `open_index`."""
        ...


class Rows:
    """Quantised points in growing arrays. What the kinds of index have in common."""

    def __init__(self, dimension: int):
        # Codes, ids, 1 / length of the codes (0 where the row is dead), and how many rows are filled. One tuple,
        # replaced as a whole: a search in another thread sees all of a change or nothing.
        self._state: tuple[Bytes, Ids, Floats, int] = (
            np.empty((0, dimension), np.int8),
            np.empty(0, np.int64),
            np.empty(0, np.float32),
            0,
        )
        self._dead = 0
        self._largest_id = -1

    @classmethod
    def of(cls, codes: Bytes, ids: Ids, alive: NDArray[np.bool_]) -> "Rows":
        """Rows over arrays that are there already, such as memory-mapped ones; they are not copied."""
        rows = cls(codes.shape[1])
        # An id may stand in a dead row and, added again, in a live one: the rows say which are dead, not the ids.
        rows._state = (codes, ids, _inverse_lengths(codes) * alive, len(codes))
        rows._dead = int(len(alive) - alive.sum())
        rows._largest_id = int(ids.max(initial=-1))
        return rows

    def __len__(self) -> int:
        return self._state[3] - self._dead

    @property
    def dimension(self) -> int:
        """Numbers in a point."""
        return int(self._state[0].shape[1])

    @property
    def needs_compacting(self) -> bool:
        """Whether so many rows are dead that dropping them pays."""
        return self._dead > DEAD_SHARE * self._state[3]

    def arrays(self) -> tuple[Bytes, Ids, Floats]:
        """Codes, ids and inverse lengths of all rows, dead ones included, as of now."""
        codes, ids, inverse, count = self._state
        return codes[:count], ids[:count], inverse[:count]

    def append(self, ids: ArrayLike, codes: Bytes) -> None:
        """Add rows; the arrays double when full, so that n additions copy O(n)."""
        given = np.asarray(ids, np.int64).ravel()
        if len(given) != len(codes):
            raise ValueError(f"{len(given)} ids were given for {len(codes)} points")
        if not len(given):
            return
        if given.min() < 0 or len(np.unique(given)) != len(given):
            raise ValueError("ids must be distinct and not negative")
        old = self.arrays()
        # Ids mostly rise, and then need no look at all the others.
        if given.min() <= self._largest_id and np.isin(given, old[1][old[2] > 0]).any():
            raise ValueError("an id is in the index already; remove it first")
        count, needed = len(old[0]), len(old[0]) + len(given)
        codes_room, ids_room, inverse_room, _ = self._state
        if needed > len(codes_room) or not codes_room.flags.writeable:
            room = max(needed, 2 * count, 1024)
            codes_room, ids_room, inverse_room = _grown(old[0], room), _grown(old[1], room), _grown(old[2], room)
        codes_room[count:needed] = codes
        ids_room[count:needed] = given
        inverse_room[count:needed] = _inverse_lengths(codes)
        self._state = (codes_room, ids_room, inverse_room, needed)
        self._largest_id = max(self._largest_id, int(given.max()))

    def kill(self, ids: ArrayLike) -> int:
        """Mark rows dead; how many there were."""
        _, own, inverse = self.arrays()
        found = np.flatnonzero(np.isin(own, np.asarray(ids, np.int64)) & (inverse > 0))
        inverse[found] = 0
        self._dead += len(found)
        return len(found)

    def compact(self) -> None:
        """Drop the dead rows."""
        codes, ids, inverse = self.arrays()
        alive = inverse > 0
        self._state = (codes[alive], ids[alive], inverse[alive], int(alive.sum()))
        self._dead = 0


def as_codes(points: ArrayLike, dimension: int) -> Bytes:
    """Points as an index keeps them: float rows are quantised, int8 rows are taken as quantised already."""
    array = np.asarray(points)
    codes = array if array.dtype == np.int8 else quantise(array)
    if codes.ndim != 2 or codes.shape[1] != dimension:
        raise ValueError(f"points must have shape (n, {dimension}), not {codes.shape}")
    if array.dtype == np.int8 and len(codes) and not codes.any(axis=1).all():
        raise ValueError("a quantised point is all zeros and has no direction")
    return codes


def as_queries(queries: ArrayLike, dimension: int, k: int) -> Floats:
    """Queries checked at the door: float32, shape (n, dimension), L2 norm 1."""
    points = as_embeddings(queries, "queries")
    if points.shape[1] != dimension:
        raise ValueError(f"queries must have shape (n, {dimension}), not {points.shape}")
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}")
    lengths = np.linalg.norm(points, axis=1, keepdims=True)
    if len(points) and lengths.min() == 0:
        raise ValueError("a query is all zeros and has no direction")
    return points / lengths


def _inverse_lengths(codes: Bytes) -> Floats:
    # In blocks: the float form of a million rows would be four times the index.
    inverse = np.empty(len(codes), np.float32)
    for start in range(0, len(codes), 1 << 16):
        block = codes[start : start + (1 << 16)].astype(np.float32)
        inverse[start : start + len(block)] = 1 / np.linalg.norm(block, axis=1)
    return inverse


def _grown(array: NDArray[Any], room: int) -> NDArray[Any]:
    larger = np.empty((room, *array.shape[1:]), array.dtype)
    larger[: len(array)] = array
    return larger
