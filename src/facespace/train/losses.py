"""The loss that shapes the space."""

import torch
from torch import Tensor

from facespace.train.mining import Triplets


def triplet_loss(distances: Tensor, triplets: Triplets, margin: float) -> Tensor:
    """Mean over anchor-positive pairs of max(0, |f(a)-f(p)|^2 - |f(a)-f(n)|^2 + margin).

    Paper equation 3 sums; the mean has the same direction whatever the batch's size. Pairs that keep the margin
    count as 0, so that steps shorten as fewer triplets are left to learn from.

    Parameters
    ----------
    distances : float tensor, shape (b, b)
        Squared distances between the batch's embeddings, differentiable.
    triplets : Triplets
    margin : float

    Returns
    -------
    float tensor, scalar
        0, still differentiable, where there is no triplet.
    """
    positive = distances[triplets.anchor, triplets.positive]
    negative = distances[triplets.anchor, triplets.negative]
    return torch.relu(positive - negative + margin).sum() / max(triplets.stats.pairs, 1)
