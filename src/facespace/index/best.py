"""The k largest similarities of each of many queries, collected block by block."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


class Best:
    """Keeps, for each query, the rows with the k largest similarities offered so far.

    Similarities above a query's bar (its k-th largest so far) are appended; they are sorted only when the buffer is
    full, so most of the work is the comparison with the bar.

    Parameters
    ----------
    queries : int
    k : int
    """

    # Buffer size per query, in multiples of k: 4 k sorts half as often as 2 k and needs twice the memory.
    ROOM = 3

    def __init__(self, queries: int, k: int):
        self._k = k
        room = max(self.ROOM * k, 16)
        self._values = np.full((queries, room), -np.inf, np.float32)
        self._rows = np.full((queries, room), -1, np.int32)
        self._filled = np.zeros(queries, np.int64)
        self._bar = np.full(queries, -np.inf, np.float32)

    def offer(self, queries: NDArray[np.int64] | slice, block: Floats, rows: NDArray[np.int64] | int) -> None:
        """Consider similarities.

        Parameters
        ----------
        queries : int64, shape (m,), or a slice of m
            The query of each row of the block, each at most once.
        block : float32, shape (m, w)
            Similarities; -inf for rows that must not be taken.
        rows : int64, shape (w,), or int
            The row of each column of the block; an int is the first of w consecutive rows.
        """
        bar = self._bar[queries].copy()
        # For a query without entries, admit only the k best of the block to its buffer.
        new = np.flatnonzero(bar == -np.inf)
        if block.shape[1] > self._k and len(new):
            place = block.shape[1] - self._k
            kth = np.partition(block[new] if len(new) < len(block) else block, place, axis=1)[:, place]
            # The k-th itself is included, -inf never is.
            bar[new] = np.where(kth == -np.inf, kth, np.nextafter(kth, np.float32(-np.inf)))
        # numpy finds the true values of a flat array four times as fast as those of a two-dimensional one.
        own, column = np.divmod(np.flatnonzero(block > bar[:, None]), max(1, block.shape[1]))
        index = np.arange(len(self._bar))[queries] if isinstance(queries, slice) else queries
        self._keep(index, own, column + rows if isinstance(rows, int) else rows[column], block[own, column])
        fresh = index[new]
        if block.shape[1] > self._k and len(fresh):
            self._bar[fresh] = np.maximum(self._bar[fresh], bar[new])

    def result(self) -> tuple[Floats, NDArray[np.int64]]:
        """Similarities and rows, largest first, ties by the lower row; padded with -inf and -1."""
        self._settle(np.arange(len(self._bar)))
        return self._values[:, : self._k].copy(), self._rows[:, : self._k].astype(np.int64)

    def _settle(self, queries: NDArray[np.int64]) -> None:
        """Sort the buffers of some queries, keep k entries of each, and clear the rest."""
        values, rows, k = self._values[queries], self._rows[queries], self._k
        order = np.lexsort((rows, -values), axis=1)[:, :k]
        self._values[queries, :k] = best = np.take_along_axis(values, order, 1)
        self._rows[queries, :k] = np.take_along_axis(rows, order, 1)
        self._values[queries, k:] = -np.inf
        self._rows[queries, k:] = -1
        self._filled[queries] = (best > -np.inf).sum(axis=1)
        self._bar[queries] = np.maximum(self._bar[queries], best[:, -1])

    def _keep(self, index: NDArray[np.int64], own: NDArray[np.int64], rows: NDArray[np.int64], values: Floats) -> None:
        """Append similarities to the buffers of the queries `index[own]`; `own` is increasing."""
        if not len(own):
            return
        counts = np.bincount(own, minlength=len(index))
        if counts.max() > self._values.shape[1] - self._k:
            own, rows, values = self._thinned(own, rows, values)
            counts = np.bincount(own, minlength=len(index))
        full = index[self._filled[index] + counts > self._values.shape[1]]
        if len(full):
            self._settle(full)
        first = np.cumsum(counts) - counts
        place = self._filled[index[own]] + np.arange(len(own)) - first[own]
        self._values[index[own], place] = values
        self._rows[index[own], place] = rows
        self._filled[index] += counts

    def _thinned(
        self, own: NDArray[np.int64], rows: NDArray[np.int64], values: Floats
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
        """Keep only the k largest of each query, if more than the buffer holds were offered at once."""
        order = np.lexsort((rows, -values, own))
        rank = np.arange(len(own)) - np.searchsorted(own, own)
        kept = order[rank < self._k]
        return own[kept], rows[kept], values[kept]
