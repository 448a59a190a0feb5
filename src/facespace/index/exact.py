"""An index that compares with every point: exact, no building, nothing beyond the base install."""

from pathlib import Path

from numpy.typing import ArrayLike

from facespace.index.files import save_rows
from facespace.index.rows import NOBODY, Hits, Rows, as_codes, as_queries
from facespace.index.scan import nearest_stored


class ExactIndex:
    """Exact search over quantised points: one signed byte a dimension.

    Distances are those between the query and the quantised points, read as points of the unit sphere.
    One thread may change it while others search.

    Parameters
    ----------
    dimension : int
        4,096 at most.
    threads : int or None
        Of a search; one a core where None.

    Attributes
    ----------
    stamp : str
        The one it was saved with, where it was opened from a folder.
    """

    kind = "exact"

    def __init__(self, dimension: int, threads: int | None = None):
        self._rows = Rows(dimension)
        self._threads = threads
        self.stamp = ""

    @classmethod
    def over(cls, rows: Rows, threads: int | None = None) -> "ExactIndex":
        """An index over rows that are there already, not copied."""
        index = cls(rows.dimension, threads)
        index._rows = rows
        return index

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def dimension(self) -> int:
        """Numbers in a point."""
        return self._rows.dimension

    def add(self, ids: ArrayLike, points: ArrayLike) -> None:
        """Add points.

        Parameters
        ----------
        ids : int array-like, shape (n,), distinct, not negative, not in the index
        points : array-like, shape (n, d)
            Floats of L2 norm 1, or int8 as `facespace.metric.quantise` gives them.

        Raises
        ------
        ValueError
            A shape or an id is not as said; nothing is added then.
        """
        self._rows.append(ids, as_codes(points, self.dimension))

    def remove(self, ids: ArrayLike) -> int:
        """Take points out; ids that are not there are passed over. How many were there."""
        removed = self._rows.kill(ids)
        if self._rows.needs_compacting:
            self._rows.compact()
        return removed

    def replace(self, ids: ArrayLike, points: ArrayLike, gone: ArrayLike = ()) -> None:
        """Put points in place of those with the same ids, add those that are new, and take others out, in one change.

        Whoever searches meanwhile finds the old points or the new ones, and never neither.

        Parameters
        ----------
        ids, points
            As for `add`, but for ids that are in the index.
        gone : int array-like, shape (m,)
            Ids to take out; those that are not there are passed over.

        Raises
        ------
        ValueError
            A shape or an id is not as said; nothing is changed then.
        """
        self._rows.replace(ids, as_codes(points, self.dimension), gone)
        if self._rows.needs_compacting:
            self._rows.compact()

    def search(self, queries: ArrayLike, k: int) -> Hits:
        """The k nearest of each query.

        Parameters
        ----------
        queries : array-like, shape (n, d), scaled to L2 norm 1 here
        k : int

        Returns
        -------
        Hits
            Of equal distances, the point added first comes first.
        """
        stored = self._rows.stored()
        distances, rows = nearest_stored(as_queries(queries, self.dimension, k), stored, k, self._threads)
        found = stored.ids[rows] if len(stored) else rows
        found[rows < 0] = NOBODY
        return Hits(distances, found)

    def save(self, folder: Path, stamp: str = "") -> None:
        """Write to a folder (made if absent), to be opened with `open_index`.

        Parameters
        ----------
        folder : path
        stamp : str
            What the points were derived from; `open_index` gives None where it asks for another.
        """
        save_rows(folder, self.kind, self._rows, stamp, {})
