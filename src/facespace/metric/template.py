"""Templates: one point for several photos of a person."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facespace.metric.distance import as_points, normalise


def template(embeddings: ArrayLike) -> NDArray[np.float32]:
    """The normalised mean of a person's embeddings.

    Of all points on the sphere it has the least sum of squared distances to them.

    Parameters
    ----------
    embeddings : array-like, shape (n, d)
        At least one, each of L2 norm 1.

    Returns
    -------
    ndarray of float32, shape (d,)

    Raises
    ------
    ValueError
        There are none, they are not embeddings, or they cancel out and have no mean direction.
    """
    points = as_points(embeddings)
    if len(points) == 0:
        raise ValueError("a template needs at least one embedding")
    mean = points.astype(np.float64).mean(axis=0)
    if np.linalg.norm(mean) < 1e-6:
        raise ValueError("the embeddings cancel out and have no mean direction; are they of one person?")
    return normalise(mean[None])[0]
