"""Which triplets a batch gives (paper section 3.2), in O(B^2) time and memory for a batch of B.

A miner takes the batch's distances and labels and returns index tensors; it never lists a triplet that it
does not return, and nothing in here is differentiated.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class MiningStats:
    """What the batch looked like to the miner.

    pairs : anchor-positive pairs
    active : share of the pairs whose triplet breaks the margin, the only ones that teach anything
    hard : share of the pairs with no negative farther than the positive
    positive_distance, negative_distance : mean squared distance over all such pairs of the batch; both near
        0 mean that the space collapses
    """

    pairs: int
    active: float
    hard: float
    positive_distance: float
    negative_distance: float


@dataclass(frozen=True)
class Triplets:
    """Triplets as positions in the batch, int64 tensors of shape (t,), with what was seen on the way."""

    anchor: Tensor
    positive: Tensor
    negative: Tensor
    stats: MiningStats


def squared_distance_matrix(embeddings: Tensor) -> Tensor:
    """Squared Euclidean distances between all rows, differentiable.

    Parameters
    ----------
    embeddings : float tensor, shape (b, d), L2 norm 1

    Returns
    -------
    float tensor, shape (b, b), 0 to 4
    """
    return (2 - 2 * embeddings @ embeddings.T).clamp(min=0)


@torch.no_grad()
def semi_hard(distances: Tensor, labels: Tensor, margin: float) -> Triplets:
    """For every anchor-positive pair the nearest negative that is farther than the positive.

    Pairs whose nearest such negative is already beyond the margin teach nothing and are left out. Where all
    negatives are nearer than the positive, the farthest of them is taken: the least wrong start.

    Parameters
    ----------
    distances : float tensor, shape (b, b)
        Squared distances.
    labels : int tensor, shape (b,)
    margin : float
        Alpha of paper equation 1.

    Returns
    -------
    Triplets
        At most one for each ordered anchor-positive pair.
    """
    count = len(labels)
    same = labels[:, None] == labels[None, :]
    negatives, order = distances.masked_fill(same, torch.inf).sort(dim=1)
    last = (~same).sum(dim=1, keepdim=True) - 1
    beyond = torch.searchsorted(negatives, distances.contiguous(), right=True)
    chosen = torch.minimum(beyond, last).clamp_(min=0)
    violation = distances + margin - negatives.gather(1, chosen)

    self_pairs = torch.eye(count, dtype=torch.bool, device=distances.device)
    pairs = same & ~self_pairs & (last >= 0)
    anchor, positive = torch.nonzero(pairs & (violation > 0), as_tuple=True)
    negative = order[anchor, chosen[anchor, positive]]
    return Triplets(anchor, positive, negative, _stats(distances, same, pairs, beyond > last, len(anchor)))


def _stats(distances: Tensor, same: Tensor, pairs: Tensor, hard: Tensor, active: int) -> MiningStats:
    total, others = int(pairs.sum()), int((~same).sum())
    return MiningStats(
        pairs=total,
        active=active / max(total, 1),
        hard=int((hard & pairs).sum()) / max(total, 1),
        positive_distance=float(distances[pairs].mean()) if total else float("nan"),
        negative_distance=float(distances[~same].mean()) if others else float("nan"),
    )
