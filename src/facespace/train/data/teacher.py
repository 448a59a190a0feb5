"""Targets for distillation: a teacher's embeddings mapped to the student's unit sphere, preserving distances."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facespace.errors import DataError


def targets(teacher: ArrayLike, dimension: int) -> NDArray[np.float32]:
    """Map a teacher's embeddings to the unit sphere, with distances nearly proportional to the teacher's.

    Normalising would lose the information in the norm (docs/decisions/050). Instead the embeddings are centred, lifted
    onto a sphere in one more dimension, and rotated to their principal directions, of which the first `dimension` are
    kept.

    Parameters
    ----------
    teacher : array-like, shape (n, t)
        The teacher's embeddings, of any norm.
    dimension : int
        Dimension of the student's embeddings. If the teacher has fewer dimensions, the rest are zeros.

    Returns
    -------
    ndarray of float32, shape (n, dimension), L2 norm 1

    Raises
    ------
    DataError
        A value is NaN or infinite, or all embeddings are equal.
    """
    points = np.asarray(teacher, np.float64)
    if not np.isfinite(points).all():
        row = int(np.flatnonzero(~np.isfinite(points).all(axis=1))[0])
        raise DataError(f"the teacher's embedding of face {row} has a NaN or infinite value; remove that face")
    centred = points - points.mean(axis=0)
    squares = (centred**2).sum(axis=1)
    largest = squares.max()
    if largest < 1e-18:
        raise DataError("all of the teacher's embeddings are equal, so there is nothing to learn; check teacher.npy")
    lifted = np.concatenate([centred, np.sqrt(largest - squares)[:, None]], axis=1) / np.sqrt(largest)
    # Eigenvectors of the second moments, not of the covariance, because the centre of the sphere must stay at 0.
    _, directions = np.linalg.eigh(lifted.T @ lifted)
    turned = lifted @ directions[:, ::-1][:, :dimension]
    short = dimension - turned.shape[1]
    if short > 0:
        turned = np.pad(turned, ((0, 0), (0, short)))
    norms = np.linalg.norm(turned, axis=1, keepdims=True)
    return (turned / np.maximum(norms, 1e-12)).astype(np.float32)


def rotated_onto(
    points: NDArray[np.float32], rows: NDArray[np.int64], embeddings: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Rotate targets to where a network puts some of the faces already.

    Distillation asks for distances, so any rotation of the targets is as good as another, and `targets` depends on all
    faces: with a few more of them it may rotate the space, or mirror it along a direction. A network that was trained
    with other faces would have to learn that rotation first.

    Parameters
    ----------
    points : float32, shape (n, d)
    rows : int64, shape (k,)
        Faces that were embedded.
    embeddings : float32, shape (k, d)
        The network's embeddings of them.

    Returns
    -------
    ndarray of float32, shape (n, d)
        The points, multiplied by the orthogonal matrix that brings those of `rows` closest to `embeddings`
        (Schoenemann 1966, the orthogonal Procrustes problem).
    """
    left, _, right = np.linalg.svd(points[rows].T.astype(np.float64) @ embeddings)
    return (points @ (left @ right)).astype(np.float32)
