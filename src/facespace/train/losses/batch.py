"""The input of a loss: the embeddings of one batch, with labels and triplet miner."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from facespace.metric import normalise
from facespace.train.mining import Triplets

# Embeds some faces with the network that a run starts from: their rows (k,) and embeddings (k, d).
Started = Callable[[], tuple[NDArray[np.int64], NDArray[np.float32]]]


@dataclass(frozen=True)
class Batch:
    """One batch, embedded.

    embeddings : float tensor, shape (b, d), L2 norm 1, differentiable
    labels : int64 tensor, shape (b,), 0 to the number of training people - 1
    margin : margin (alpha) of this step; 0 for a loss without one
    mine : maps squared distances (n, n) and labels (n,) to triplets; the first b rows must be the batch's faces in
        order. Called by losses that use triplets
    teacher : float tensor, shape (b, d), L2 norm 1: the teacher's embeddings of the same faces, as returned by
        `Loss.teacher_points`; None if the data have no teacher
    """

    embeddings: Tensor
    labels: Tensor
    margin: float
    mine: Callable[[Tensor, Tensor], Triplets]
    teacher: Tensor | None = None


class Loss(nn.Module):
    """Base class of losses: maps a `Batch` to a differentiable scalar and its triplets, or None.

    A loss may have weights of its own, such as a classifier. They are trained, saved and restored with the network
    but not exported. `uses_triplets` is True for losses that use triplets and a margin.
    """

    uses_triplets = False

    def forward(self, batch: Batch) -> tuple[Tensor, Triplets | None]:
        """Return the loss of a batch and the triplets it used."""
        raise NotImplementedError

    def teacher_points(
        self,
        teacher: NDArray[np.float32],
        labels: NDArray[np.int64],
        dimension: int,
        started: Started | None = None,
    ) -> NDArray[np.float32]:
        """Convert a teacher's embeddings (n, t) of all training faces to the form this loss needs, L2 norm 1.

        By default they are only normalised. `started` is None for a new network; a loss that does not need these
        embeddings does not call it.
        """
        return normalise(teacher)
