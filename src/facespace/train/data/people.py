"""Mean embeddings of people."""

import numpy as np
from numpy.typing import NDArray


def person_means(
    points: NDArray[np.float32], labels: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Compute the mean embedding of each person, in one pass.

    Parameters
    ----------
    points : float32, shape (n, d)
    labels : int64, shape (n,)

    Returns
    -------
    means : float64, shape (people, d), in ascending order of the labels
    own : int64, shape (n,), the row of `means` for each embedding
    """
    found, own = np.unique(labels, return_inverse=True)
    means = np.zeros((len(found), points.shape[1]))
    np.add.at(means, own, points)
    return means / np.bincount(own)[:, None], own
