"""Distillation: learn a teacher's embeddings, its distances within a batch, and its similarities to all people."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from facespace.errors import DataError
from facespace.metric import normalise
from facespace.train.data.people import person_means
from facespace.train.data.teacher import rotated_onto, targets
from facespace.train.losses.batch import Batch, Loss, Started
from facespace.train.losses.triplet import TripletLoss
from facespace.train.mining import Triplets, squared_distance_matrix


def distillation_loss(embeddings: Tensor, teacher: Tensor, relations: float) -> Tensor:
    """Mean squared distance to the teacher's embeddings, plus mean squared error of the distances within the batch.

    The first term is regression. The second asks only for the same distances between faces, which a small network can
    reach even if it cannot match each embedding (Park, Kim, Lu and Cho 2019, equation 3, without their scaling, since
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


def likeness_loss(embeddings: Tensor, teacher: Tensor, templates: Tensor, scale: float) -> Tensor:
    """Kullback-Leibler divergence between the teacher's and the student's distribution over all training people.

    The distribution of a face is the softmax over the templates of all training people of `scale` times the cosine.
    Each face is thus compared with all people, not only those in the batch, and the most similar people weigh most
    (soft targets: Hinton, Vinyals and Dean 2015, section 2). The templates are fixed, from the teacher's embeddings.

    Parameters
    ----------
    embeddings, teacher : float tensors, shape (b, d), L2 norm 1
    templates : float tensor, shape (people, d), L2 norm 1
    scale : float

    Returns
    -------
    float tensor, scalar
    """
    student = functional.log_softmax(scale * embeddings @ templates.T, dim=1)
    wanted = functional.log_softmax(scale * teacher @ templates.T, dim=1)
    return functional.kl_div(student, wanted, reduction="batchmean", log_target=True)


class DistillationLoss(Loss):
    """`distillation_loss` plus weighted `likeness_loss` (`templates`) and triplet loss (`triplets`)."""

    def __init__(self, relations: float = 1.0, triplets: float = 0.0, templates: float = 0.0, scale: float = 20.0):
        super().__init__()
        self._relations, self._triplets, self._likeness, self._scale = relations, triplets, templates, scale
        self._triplet_loss = TripletLoss()
        # Computed from the data at every start, so not saved in checkpoints.
        self.register_buffer("templates", torch.zeros(0), persistent=False)
        self.templates: Tensor

    def teacher_points(
        self,
        teacher: NDArray[np.float32],
        labels: NDArray[np.int64],
        dimension: int,
        started: Started | None = None,
    ) -> NDArray[np.float32]:
        """Map the teacher's embeddings to `dimension` dimensions (see `targets`), and store each person's template.

        A network that was trained before keeps its space (see `rotated_onto`).
        """
        points = targets(teacher, dimension)
        if started is not None:
            points = rotated_onto(points, *started())
        means, _ = person_means(points, labels)
        self.templates = torch.from_numpy(normalise(means).astype(np.float32)).to(self.templates.device)
        return points

    def forward(self, batch: Batch) -> tuple[Tensor, Triplets | None]:
        """Return the loss of a batch, and its triplets if their weight is not 0.

        Raises
        ------
        DataError
            The faces have no teacher's embeddings.
        """
        if batch.teacher is None:
            raise DataError(
                "the loss 'distillation' needs a teacher's embedding of every training face: teacher.npy next to the "
                "table faces.csv, whose column teacher_row gives the row"
            )
        imitation = distillation_loss(batch.embeddings, batch.teacher, self._relations)
        if self._likeness:
            likeness = likeness_loss(batch.embeddings, batch.teacher, self.templates, self._scale)
            imitation = imitation + self._likeness * likeness
        if self._triplets == 0:
            return imitation, None
        ranking, triplets = self._triplet_loss(batch)
        return imitation + self._triplets * ranking, triplets
