"""Harmonic embedding: a new network whose points can be compared with those of an old one (paper appendix A).

A gallery of old embeddings need not be made anew: new photos are embedded by the new network and compared with the old
points. The new network learns it by triplets that mix both: each of anchor, positive and negative may be a new
point or the frozen old point of a face.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from facespace.errors import DataError
from facespace.evaluate.metrics.roc import roc
from facespace.metric import squared_distances
from facespace.train.mining import Triplets, squared_distance_matrix


def mixed(new: Tensor, old: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """New and old points of a batch as one set, in which a face stands twice.

    Parameters
    ----------
    new : float tensor, shape (b, d), L2 norm 1, differentiable
    old : float tensor, shape (b, d), L2 norm 1
        The same faces in the old space; nothing flows back into them.
    labels : int tensor, shape (b,)

    Returns
    -------
    points : float tensor, shape (2b, d), new points first
    labels : int tensor, shape (2b,)

    Raises
    ------
    DataError
        The spaces differ in dimension: their points cannot be compared.
    """
    if new.shape != old.shape:
        raise DataError(
            f"the new network gives {new.shape[1]} numbers a face and the old space has {old.shape[1]}; to be compared "
            "they must be equal: set network.dimension to the old space's"
        )
    return torch.cat([new, old.detach().to(new.dtype)]), torch.cat([labels, labels])


def learnable(triplets: Triplets, count: int) -> Triplets:
    """Those triplets of a mixed set of 2 x `count` points that have a new point in them.

    Three old points teach nothing: they do not move.
    """
    kept = (triplets.anchor < count) | (triplets.positive < count) | (triplets.negative < count)
    return replace(
        triplets,
        anchor=triplets.anchor[kept],
        positive=triplets.positive[kept],
        negative=triplets.negative[kept],
    )


def harmonic_triplets(
    new: Tensor, old: Tensor, labels: Tensor, mine: Callable[[Tensor, Tensor], Triplets]
) -> tuple[Tensor, Triplets]:
    """Distances and triplets of a batch over both spaces at once (paper figure 8).

    The negatives come from new and old points alike. A face's own old point counts as a positive.

    Parameters
    ----------
    new, old, labels : as for `mixed`
    mine : as in `Batch`
        Gives triplets from distances (2b, 2b) and labels (2b,).

    Returns
    -------
    distances : float tensor, shape (2b, 2b), squared, differentiable in the new points
    triplets : Triplets
        As positions in the mixed set; none consists of old points only.
    """
    points, both = mixed(new, old, labels)
    distances = squared_distance_matrix(points)
    return distances, learnable(mine(distances, both), len(new))


def compatibility(
    new: NDArray[np.float32],
    old: NDArray[np.float32],
    labels: NDArray[np.int64],
    fars: tuple[float, ...] = (1e-2, 1e-3),
) -> dict[str, dict[float, float]]:
    """VAL at each FAR within and between the spaces, over all pairs of different photos.

    Parameters
    ----------
    new, old : float32, shape (n, d), L2 norm 1
        The same faces, of people trained on by neither network.
    labels : int64, shape (n,)
    fars : false accept rates

    Returns
    -------
    dict
        'new to new', 'old to new' (a gallery of old points searched by new ones) and 'old to old', each with VAL by
        FAR; every comparison has its own threshold.
    """
    same = labels[:, None] == labels[None, :]
    once = np.triu(np.ones(same.shape, bool), k=1)
    other = ~np.eye(len(labels), dtype=bool)
    rates = {}
    for name, a, b, pairs in (
        ("new to new", new, new, once),
        ("old to new", old, new, other),
        ("old to old", old, old, once),
    ):
        distances = squared_distances(a, b)
        curve = roc(distances[same & pairs], distances[~same & pairs])
        rates[name] = {far: curve.val_at(far) for far in fars}
    return rates
