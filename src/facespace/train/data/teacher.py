"""A teacher's embeddings as targets for a student: points on the student's sphere with the teacher's distances."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facespace.errors import DataError


def targets(teacher: ArrayLike, dimension: int) -> NDArray[np.float32]:
    """Points of the unit sphere whose distances stand in one proportion to the teacher's, as nearly as can be.

    Normalising would throw away what the norm tells (docs/decisions/050). So the points are centred, lifted onto a
    sphere that holds all of them, one dimension up, and turned so that the directions they spread in most come first;
    what a student has no numbers for is left out.

    Parameters
    ----------
    teacher : array-like, shape (n, t)
        As the teacher gives them; of any norm.
    dimension : int
        Numbers in an embedding of the student. Where the teacher spreads in fewer directions, the rest are zeros.

    Returns
    -------
    ndarray of float32, shape (n, dimension), L2 norm 1

    Raises
    ------
    DataError
        A value is NaN or infinite, or all the points are one.
    """
    points = np.asarray(teacher, np.float64)
    if not np.isfinite(points).all():
        row = int(np.flatnonzero(~np.isfinite(points).all(axis=1))[0])
        raise DataError(f"the teacher's embedding of face {row} has a NaN or infinite value; leave that face out")
    centred = points - points.mean(axis=0)
    squares = (centred**2).sum(axis=1)
    largest = squares.max()
    if largest < 1e-18:
        raise DataError("all of the teacher's embeddings are one point; there is nothing to learn from it")
    lifted = np.concatenate([centred, np.sqrt(largest - squares)[:, None]], axis=1) / np.sqrt(largest)
    # Eigenvectors of the second moments, not of the covariance: the sphere's centre must stay where it is.
    _, directions = np.linalg.eigh(lifted.T @ lifted)
    turned = lifted @ directions[:, ::-1][:, :dimension]
    short = dimension - turned.shape[1]
    if short > 0:
        turned = np.pad(turned, ((0, 0), (0, short)))
    norms = np.linalg.norm(turned, axis=1, keepdims=True)
    return (turned / np.maximum(norms, 1e-12)).astype(np.float32)
