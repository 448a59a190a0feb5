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

    Paper equation 3 sums; the mean has the same direction whatever the batch's size. Pairs that keep the margin
    count as 0, so that steps shorten as fewer triplets are left to learn from.

    Parameters
    ----------
    distances : float tensor, shape (b, b)
        Squared distances between the batch's embeddings, differentiable.
    triplets : Triplets
    margin : float
    distance : 'squared' or 'plain'
        The paper's squared distances, or their roots (then the margin is one of plain distances).
    soft : bool
        log(1 + exp(.)) instead of max(0, .): pairs beyond the margin go on being pulled, ever less (Hermans, Beyer
        and Leibe 2017, section 2).

    Returns
    -------
    float tensor, scalar
        0, still differentiable, where there is no triplet.
    """
    positive = distances[triplets.anchor, triplets.positive]
    negative = distances[triplets.anchor, triplets.negative]
    if distance == "plain":
        # The root's slope is infinite at 0, which two equal photos reach.
        positive, negative = (positive + 1e-8).sqrt(), (negative + 1e-8).sqrt()
    violation = positive - negative + margin
    kept = functional.softplus(violation) if soft else torch.relu(violation)
    return kept.sum() / max(triplets.weight_of, 1)


class TripletLoss(Loss):
    """`triplet_loss` on the triplets that the batch's miner finds."""

    by_triplets = True

    def __init__(self, distance: Literal["squared", "plain"] = "squared", soft: bool = False):
        super().__init__()
        self._distance: Literal["squared", "plain"] = distance
        self._soft = soft

    def forward(self, batch: Batch) -> tuple[Tensor, Triplets]:
        """The loss of a batch, and its triplets."""
        distances = squared_distance_matrix(batch.embeddings)
        triplets = batch.mine(distances, batch.labels)
        return triplet_loss(distances, triplets, batch.margin, self._distance, self._soft), triplets
