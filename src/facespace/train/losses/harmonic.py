"""The harmonic triplet loss (paper appendix A.1)."""

from torch import Tensor

from facespace.errors import DataError
from facespace.train.losses.batch import Batch, Loss
from facespace.train.losses.triplet import triplet_loss
from facespace.train.mining import Triplets
from facespace.train.mining.harmonic import harmonic_triplets


class HarmonicTripletLoss(Loss):
    """`triplet_loss` on the triplets mined over the batch's new points and the old points of the same faces."""

    by_triplets = True

    def forward(self, batch: Batch) -> tuple[Tensor, Triplets]:
        """The loss of a batch and its triplets, as positions among new points and then old points.

        Raises
        ------
        DataError
            The faces have no old points, or of another dimension.
        """
        if batch.teacher is None:
            raise DataError(
                "the harmonic loss needs the faces' points in the old space: name the old model as data.old, or put "
                "its embeddings beside the table of the training faces (teacher.npy)"
            )
        distances, triplets = harmonic_triplets(batch.embeddings, batch.teacher, batch.labels, batch.mine)
        return triplet_loss(distances, triplets, batch.margin), triplets
