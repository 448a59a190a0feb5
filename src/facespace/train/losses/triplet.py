"""The triplet loss (paper equation 3)."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from facespace.train.losses.batch import Batch, Loss
from facespace.train.mining import Triplets, squared_distance_matrix


def triplet_loss(
    distances: Tensor,
    triplets: Triplets,
    margin: float,
    distance: Literal["squared", "plain"] = "squared",
    soft: bool = False,
) -> Tensor:
    """Mean over anchor-positive pairs of max(0, |f(a)-f(p)|^2 - |f(a)-f(n)|^2 + margin).

    Paper equation 3 is a sum; the mean makes the loss independent of the batch size. Pairs that satisfy the margin
    count as 0, so steps become smaller as fewer active triplets are left.

    Parameters
    ----------
    distances : float tensor, shape (b, b)
        Squared distances between the batch's embeddings, differentiable.
    triplets : Triplets
    margin : float
    distance : 'squared' or 'plain'
        Squared distances as in the paper, or their square roots (then the margin is a plain distance too).
    soft : bool
        Use log(1 + exp(.)) instead of max(0, .), which still pulls pairs beyond the margin, with decreasing force
        (Hermans, Beyer and Leibe 2017, section 2).

    Returns
    -------
    float tensor, scalar
        0, still differentiable, if there are no triplets.
    """
    positive = distances[triplets.anchor, triplets.positive]
    negative = distances[triplets.anchor, triplets.negative]
    if distance == "plain":
        # The square root has an infinite slope at 0, the distance of two equal photos.
        positive, negative = (positive + 1e-8).sqrt(), (negative + 1e-8).sqrt()
    violation = positive - negative + margin
    kept = functional.softplus(violation) if soft else torch.relu(violation)
    return kept.sum() / max(triplets.divisor, 1)


class TripletLoss(Loss):
    """`triplet_loss` on the triplets found by the batch's miner."""

    uses_triplets = True

    def __init__(self, distance: Literal["squared", "plain"] = "squared", soft: bool = False):
        super().__init__()
        self._distance: Literal["squared", "plain"] = distance
        self._soft = soft

    def forward(self, batch: Batch) -> tuple[Tensor, Triplets]:
        """Return the loss of a batch and its triplets."""
        distances = squared_distance_matrix(batch.embeddings)
        triplets = batch.mine(distances, batch.labels)
        return triplet_loss(distances, triplets, batch.margin, self._distance, self._soft), triplets
