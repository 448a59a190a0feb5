"""Exact search: compare the query with every point. It needs no build step and only the base install."""

from pathlib import Path

from numpy.typing import ArrayLike

from facespace.index.files import save_rows
from facespace.index.rows import NO_ID, Hits, Rows, as_codes, as_queries
from facespace.index.scan import nearest_stored


class ExactIndex:
    """Exact search over quantised points: one signed byte per dimension.

    Distances are those between the query and the quantised points, as points on the unit sphere.
    One thread may change the index while others search.

    Parameters
    ----------
    dimension : int
        At most 4,096.
    threads : int or None
        Threads per search; None uses one per core.

    Attributes
    ----------
    stamp : str
        The stamp it was saved with, if it was opened from a folder.
    """

    kind = "exact"

    def __init__(self, dimension: int, threads: int | None = None):
        self._rows = Rows(dimension)
        self._threads = threads
        self.stamp = ""

    @classmethod
    def over(cls, rows: Rows) -> "ExactIndex":
        """Make an index from existing rows, without copying them."""
        index = cls(rows.dimension)
        index._rows = rows
        return index

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def dimension(self) -> int:
        """Dimension of the points."""
        return self._rows.dimension

    def add(self, ids: ArrayLike, points: ArrayLike) -> None:
        """Add points.

        Parameters
        ----------
        ids : int array-like, shape (n,), distinct, not negative, not in the index
        points : array-like, shape (n, d)
            Floats of L2 norm 1, or int8 as returned by `facespace.metric.quantise`.

        Raises
        ------
        ValueError
            A shape or an id is not valid; nothing is added.
        """
        self._rows.append(ids, as_codes(points, self.dimension))

    def remove(self, ids: ArrayLike) -> int:
        """Remove points; unknown ids are ignored. Returns the number of points removed."""
        removed = self._rows.kill(ids)
        if self._rows.needs_compacting:
            self._rows.compact()
        return removed

    def replace(self, ids: ArrayLike, points: ArrayLike, gone: ArrayLike = ()) -> None:
        """Replace points with the same ids, add new ones, and remove others, in one change.

        A concurrent search finds either the old points or the new ones.

        Parameters
        ----------
        ids, points
            As for `add`, but the ids may be in the index.
        gone : int array-like, shape (m,)
            Ids to remove; unknown ones are ignored.

        Raises
        ------
        ValueError
            A shape or an id is not valid; nothing is changed.
        """
        self._rows.replace(ids, as_codes(points, self.dimension), gone)
        if self._rows.needs_compacting:
            self._rows.compact()

    def search(self, queries: ArrayLike, k: int) -> Hits:
        """Find the k nearest points of each query.

        Parameters
        ----------
        queries : array-like, shape (n, d), scaled to L2 norm 1 here
        k : int

        Returns
        -------
        Hits
            Ties go to the point added first.
        """
        stored = self._rows.stored()
        distances, rows = nearest_stored(as_queries(queries, self.dimension, k), stored, k, self._threads)
        found = stored.ids[rows] if len(stored) else rows
        found[rows < 0] = NO_ID
        return Hits(distances, found)

    def save(self, folder: Path, stamp: str = "") -> None:
        """Save to a folder, which is created if needed; open it with `open_index`.

        Parameters
        ----------
        folder : path
        stamp : str
            Identifies the state of the data; `open_index` returns None for another stamp.
        """
        save_rows(folder, self.kind, self._rows, stamp)
