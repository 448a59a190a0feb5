"""The loss that shapes the space."""

import torch
from torch import Tensor

from facespace.train.mining import Triplets


def triplet_loss(distances: Tensor, triplets: Triplets, margin: float) -> Tensor:
    """Mean over the mined triplets of max(0, |f(a)-f(p)|^2 - |f(a)-f(n)|^2 + margin).

    Paper equation 3 sums; the mean over triplets that break the margin has the same direction and keeps the
    step's size from depending on how many there are.

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
    violations = torch.relu(positive - negative + margin)
    return violations.sum() / max(len(violations), 1)
