"""Learning from a teacher: its point of each face, and its distances within the batch."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from facespace.errors import DataError
from facespace.train.losses.batch import Batch, Loss
from facespace.train.losses.triplet import TripletLoss
from facespace.train.mining import Triplets, squared_distance_matrix
from facespace.train.teacher import targets


def distillation_loss(embeddings: Tensor, teacher: Tensor, relations: float) -> Tensor:
    """Mean squared distance to the teacher's points, and mean squared error of the distances within the batch.

    The first term is regression; the second asks only that faces stand to each other as the teacher has them, which a
    small network can do where it cannot hit each point (Park, Kim, Lu and Cho 2019, equation 3, without their scaling:
    both spheres have radius 1).

    Parameters
    ----------
    embeddings, teacher : float tensors, shape (b, d), L2 norm 1
    relations : float
        Weight of the second term.

    Returns
    -------
    float tensor, scalar
    """
    points = (embeddings - teacher).square().sum(dim=1).mean()
    if relations == 0 or len(embeddings) < 2:
        return points
    error = squared_distance_matrix(embeddings) - squared_distance_matrix(teacher)
    pairs = torch.triu_indices(len(error), len(error), offset=1, device=error.device)
    return points + relations * error[pairs[0], pairs[1]].square().mean()


class DistillationLoss(Loss):
    """`distillation_loss`; with a weight on triplets, the triplet loss beside it."""

    def __init__(self, relations: float = 1.0, triplets: float = 0.0):
        super().__init__()
        self._relations, self._triplets = relations, triplets
        self._triplet_loss = TripletLoss()

    def teacher_points(self, teacher: NDArray[np.float32], dimension: int) -> NDArray[np.float32]:
        """The teacher's space as a student of `dimension` numbers can have it."""
        return targets(teacher, dimension)

    def forward(self, batch: Batch) -> tuple[Tensor, Triplets | None]:
        """The loss of a batch, and its triplets where they count; DataError where the faces have no teacher."""
        if batch.teacher is None:
            raise DataError(
                "the loss 'distillation' needs a teacher's embedding of every training face: teacher.npy beside the "
                "table faces.csv, whose column teacher_row names the row"
            )
        imitation = distillation_loss(batch.embeddings, batch.teacher, self._relations)
        if self._triplets == 0:
            return imitation, None
        ranking, triplets = self._triplet_loss(batch)
        return imitation + self._triplets * ranking, triplets
