"""What a miner returns."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class MiningStats:
    """What the batch looked like to the miner.

    pairs : anchor-positive pairs considered
    active : share of the pairs with a triplet that breaks the margin, the only ones that teach anything
    hard : share of the pairs whose nearest negative is nearer than the positive
    """

    pairs: int
    active: float
    hard: float


@dataclass(frozen=True)
class Triplets:
    """Triplets as positions in the batch, int64 tensors of shape (t,), with what was seen on the way.

    `weight_of` is what a sum over the triplets is divided by to give the mean loss: the pairs considered where
    each gives at most one triplet, the triplets themselves where a pair gives many.
    """

    anchor: Tensor
    positive: Tensor
    negative: Tensor
    stats: MiningStats
    weight_of: int

    def __len__(self) -> int:
        return len(self.anchor)

    def joined(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> "Triplets":
        """These triplets, and others found elsewhere that count one each."""
        return Triplets(
            torch.cat([self.anchor, anchor]),
            torch.cat([self.positive, positive]),
            torch.cat([self.negative, negative]),
            self.stats,
            self.weight_of + len(anchor),
        )


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


def pair_masks(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Boolean (b, b): who is the same person, and which ordered pairs are anchor and positive.

    An anchor without any negative in the batch makes no triplet and no pair.
    """
    same = labels[:, None] == labels[None, :]
    itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    return same, same & ~itself & ~same.all(dim=1, keepdim=True)


def stats_of(considered: int, active: int, hard: int) -> MiningStats:
    """Statistics of a batch: of the anchor-positive pairs `considered`, so many active and hard."""
    return MiningStats(pairs=considered, active=active / max(considered, 1), hard=hard / max(considered, 1))
