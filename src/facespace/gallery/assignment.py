"""Optimal assignment of the faces of one photo to people, because two faces of a photo cannot be one person."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def assign(costs: ArrayLike) -> NDArray[np.int64]:
    """Assign each row to at most one column, and each column to at most one row, with the lowest sum of costs.

    Shortest augmenting paths (Jonker and Volgenant, 1987); O(rows^2 * columns).

    Parameters
    ----------
    costs : array-like, shape (n, m)
        Leaving a row unassigned costs 0, so only negative costs are used; inf forbids a pair.

    Returns
    -------
    ndarray of int64, shape (n,)
        The column of each row; -1 if it is unassigned.
    """
    given = np.asarray(costs, np.float64)
    if given.ndim != 2:
        raise ValueError(f"costs must have shape (n, m), not {given.shape}")
    n, m = given.shape
    # An extra column for each row means 'unassigned', so positive costs are never used.
    table = np.hstack([np.where(given < 0, given, 1.0), np.zeros((n, n))])
    rows_potential, columns_potential = np.zeros(n), np.zeros(m + n)
    row_of = np.full(m + n, -1)
    for start in range(n):
        shortest = np.full(m + n, np.inf)
        came_from = np.full(m + n, -1)
        done = np.zeros(m + n, bool)
        row, column, distance = start, -1, 0.0
        visited = [start]
        while True:
            reach = distance + table[row] - rows_potential[row] - columns_potential
            better = ~done & (reach < shortest)
            shortest[better], came_from[better] = reach[better], row
            column = int(np.argmin(np.where(done, np.inf, shortest)))
            distance = shortest[column]
            done[column] = True
            if row_of[column] < 0:
                break
            row = int(row_of[column])
            visited.append(row)
        rows_potential[start] += distance
        for row in visited[1:]:
            own = int(np.flatnonzero(row_of == row)[0])
            rows_potential[row] += distance - shortest[own]
        inner = done & (row_of >= 0)
        columns_potential[inner] -= distance - shortest[inner]
        while column >= 0:
            row = int(came_from[column])
            before = np.flatnonzero(row_of == row)
            row_of[column] = row
            column = int(before[0]) if row != start else -1
            if column >= 0:
                row_of[column] = -1
    found = np.full(n, -1, np.int64)
    for taken in np.flatnonzero(row_of[:m] >= 0):
        if given[row_of[taken], taken] < 0:
            found[row_of[taken]] = taken
    return found
