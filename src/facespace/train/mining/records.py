"""The result of a miner, and functions that all miners share."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class MiningStats:
    """Statistics of a mined batch.

    pairs : number of anchor-positive pairs considered
    active : share of the pairs with a triplet that violates the margin; only these give a loss
    hard : share of the pairs whose nearest negative is closer than the positive
    """

    pairs: int
    active: float
    hard: float


@dataclass(frozen=True)
class Triplets:
    """Triplets as positions in the batch, int64 tensors of shape (t,), with statistics.

    `divisor` is the divisor that turns a sum over the triplets into the mean loss: the number of pairs considered
    if each gives at most one triplet, else the number of triplets.
    """

    anchor: Tensor
    positive: Tensor
    negative: Tensor
    stats: MiningStats
    divisor: int

    def __len__(self) -> int:
        return len(self.anchor)

    def joined(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> "Triplets":
        """Append triplets from another source; each adds 1 to `divisor`."""
        return Triplets(
            torch.cat([self.anchor, anchor]),
            torch.cat([self.positive, positive]),
            torch.cat([self.negative, negative]),
            self.stats,
            self.divisor + len(anchor),
        )


def squared_distance_matrix(embeddings: Tensor) -> Tensor:
    """Compute squared Euclidean distances between all rows, differentiable.

    Parameters
    ----------
    embeddings : float tensor, shape (b, d), L2 norm 1

    Returns
    -------
    float tensor, shape (b, b), 0 to 4
    """
    return (2 - 2 * embeddings @ embeddings.T).clamp(min=0)


def squared_margin(positive: Tensor, margin: float) -> Tensor:
    """Return the margin of squared distances that stands for a margin of plain distances.

    A negative violates the plain margin exactly if its squared distance is below that of the positive plus this.

    Parameters
    ----------
    positive : float tensor
        Squared distances to the positives.
    margin : float
        Of plain distances.

    Returns
    -------
    float tensor of the same shape
    """
    return 2 * margin * positive.sqrt() + margin**2


def pair_masks(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return two boolean masks (b, b): pairs of the same person, and ordered anchor-positive pairs.

    An anchor without a negative in the batch is in no anchor-positive pair.
    """
    same = labels[:, None] == labels[None, :]
    itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    return same, same & ~itself & ~same.all(dim=1, keepdim=True)


def stats_of(considered: int, active: int, hard: int) -> MiningStats:
    """Compute the statistics from the numbers of pairs considered, active and hard."""
    return MiningStats(pairs=considered, active=active / max(considered, 1), hard=hard / max(considered, 1))
