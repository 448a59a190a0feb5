"""The harmonic triplet loss (paper appendix A.1)."""

from torch import Tensor

from facespace.errors import DataError
from facespace.train.losses.batch import Batch, Loss
from facespace.train.losses.triplet import triplet_loss
from facespace.train.mining import Triplets
from facespace.train.mining.harmonic import harmonic_triplets


class HarmonicTripletLoss(Loss):
    """`triplet_loss` on triplets mined among the new and the old embeddings of the batch's faces."""

    uses_triplets = True

    def forward(self, batch: Batch) -> tuple[Tensor, Triplets]:
        """Return the loss of a batch and its triplets, as positions in the new embeddings followed by the old ones.

        Raises
        ------
        DataError
            The faces have no old embeddings, or embeddings of another dimension.
        """
        if batch.teacher is None:
            raise DataError(
                "the harmonic loss needs the old model's embeddings of the training faces: set data.old to the old "
                "model, or put its embeddings next to the table of the training faces (teacher.npy)"
            )
        distances, triplets = harmonic_triplets(batch.embeddings, batch.teacher, batch.labels, batch.mine)
        return triplet_loss(distances, triplets, batch.margin), triplets
