"""What a loss is given: everything about one batch, at the embeddings."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from facespace.metric import normalise
from facespace.train.mining import Triplets


@dataclass(frozen=True)
class Batch:
    """One batch, after the network.

    embeddings : float tensor, shape (b, d), L2 norm 1, differentiable
    labels : int64 tensor, shape (b,), from 0 to the number of training people
    margin : alpha of this step; 0 for a loss without one
    mine : gives triplets from squared distances (n, n) and labels (n,), the first of which are the batch's faces in
        their order; called by the losses that learn from triplets
    teacher : float tensor, shape (b, d), L2 norm 1: the same faces in another space, as `Loss.teacher_points` has
        them, where the data have one
    """

    embeddings: Tensor
    labels: Tensor
    margin: float
    mine: Callable[[Tensor, Tensor], Triplets]
    teacher: Tensor | None = None


class Loss(nn.Module):
    """Base of all losses: a `Batch` to (loss, triplets); the scalar is differentiable, triplets may be None.

    A loss may have weights of its own (a classifier has); they are trained, saved and restored with the network
    and left out of the exported model. `by_triplets` says that it learns from triplets and a margin.
    """

    by_triplets = False

    def forward(self, batch: Batch) -> tuple[Tensor, Triplets | None]:
        """The loss of a batch, and the triplets it looked at."""
        raise NotImplementedError

    def teacher_points(
        self, teacher: NDArray[np.float32], labels: NDArray[np.int64], dimension: int
    ) -> NDArray[np.float32]:
        """A teacher's embeddings (n, t) of all training faces as this loss is to be given them, L2 norm 1.

        As they are, on the sphere, where a loss does not say otherwise.
        """
        return normalise(teacher)
