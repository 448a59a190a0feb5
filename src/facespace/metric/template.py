"""Templates: one embedding for several photos of a person."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facespace.metric.distance import as_points, normalise


def template(embeddings: ArrayLike) -> NDArray[np.float32]:
    """Return the normalised mean of a person's embeddings.

    Of all points on the sphere, it minimises the sum of squared distances to them.

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
        There are no embeddings, they are not valid, or they cancel out and have no mean direction.
    """
    points = as_points(embeddings)
    if len(points) == 0:
        raise ValueError("a template needs at least one embedding")
    mean = points.astype(np.float64).mean(axis=0)
    if np.linalg.norm(mean) < 1e-6:
        raise ValueError("the embeddings cancel out and have no mean direction; check that they show one person")
    return normalise(mean[None])[0]
