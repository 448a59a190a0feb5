"""Harmonic embedding: a new network whose embeddings can be compared with an old network's (paper appendix A).

A gallery of old embeddings does not have to be embedded again: new photos are embedded by the new network and compared
with the old embeddings. The new network is trained with triplets that mix both: anchor, positive and negative may each
be a new embedding or a face's fixed old embedding.
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
    """Concatenate the new and old embeddings of a batch; each face occurs twice.

    Parameters
    ----------
    new : float tensor, shape (b, d), L2 norm 1, differentiable
    old : float tensor, shape (b, d), L2 norm 1
        The same faces in the old space; they get no gradient.
    labels : int tensor, shape (b,)

    Returns
    -------
    points : float tensor, shape (2b, d), new embeddings first
    labels : int tensor, shape (2b,)

    Raises
    ------
    DataError
        The spaces differ in dimension, so that their embeddings cannot be compared.
    """
    if new.shape != old.shape:
        raise DataError(
            f"the new network's embeddings have {new.shape[1]} dimensions and the old space's {old.shape[1]}; they can "
            f"only be compared if both are equal: set network.dimension to {old.shape[1]}"
        )
    return torch.cat([new, old.detach().to(new.dtype)]), torch.cat([labels, labels])


def learnable(triplets: Triplets, count: int) -> Triplets:
    """Keep the triplets of a mixed set of 2 x `count` embeddings that contain a new embedding.

    A triplet of three old embeddings has no gradient.
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
    """Return the distances and triplets of a batch over both spaces (paper figure 8).

    Negatives are taken from new and old embeddings. A face's own old embedding is one of its positives.

    Parameters
    ----------
    new, old, labels : see `mixed`
    mine : callable
        Maps distances (2b, 2b) and labels (2b,) to triplets, as in `Batch`.

    Returns
    -------
    distances : float tensor, shape (2b, 2b), squared, differentiable with respect to `new`
    triplets : Triplets
        Positions in the mixed set; no triplet consists of old embeddings only.
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
    """Measure VAL at each FAR within and between two spaces, over all pairs of different photos.

    Parameters
    ----------
    new, old : float32, shape (n, d), L2 norm 1
        Embeddings of the same faces, of people in neither network's training set.
    labels : int64, shape (n,)
    fars : tuple of float
        False accept rates.

    Returns
    -------
    dict
        'new to new', 'old to new' (new probes against a gallery of old embeddings) and 'old to old', each with VAL by
        FAR. Each comparison has its own threshold.
    """
    same = labels[:, None] == labels[None, :]
    unique = np.triu(np.ones(same.shape, bool), k=1)
    other = ~np.eye(len(labels), dtype=bool)
    rates = {}
    for name, a, b, pairs in (
        ("new to new", new, new, unique),
        ("old to new", old, new, other),
        ("old to old", old, old, unique),
    ):
        distances = squared_distances(a, b)
        curve = roc(distances[same & pairs], distances[~same & pairs])
        rates[name] = {far: curve.val_at(far) for far in fars}
    return rates
