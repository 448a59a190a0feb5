"""What the triplet loss is compared with.

ArcFace and the contrastive loss are pytorch-metric-learning's, which keeps them well; the classifier with a
bottleneck is what the paper argues against (section 1).
"""

import torch
from pytorch_metric_learning.distances import LpDistance
from pytorch_metric_learning.losses import ArcFaceLoss, ContrastiveLoss
from torch import Tensor, nn
from torch.nn import functional

from facespace.train.losses.batch import Batch, Loss

# Of the cosines between unit vectors, before a softmax; learnt on.
_FIRST_SCALE = 16.0


class BottleneckClassifier(Loss):
    """Cross-entropy over the training people, on top of the embedding as a bottleneck layer.

    The classifier is thrown away after training; that what is left measures likeness is hoped for, not trained.
    """

    def __init__(self, people: int, dimension: int, smoothing: float):
        super().__init__()
        self.classifier = nn.Linear(dimension, people)
        self.scale = nn.Parameter(torch.tensor(_FIRST_SCALE))
        self._smoothing = smoothing

    def forward(self, batch: Batch) -> tuple[Tensor, None]:
        """The cross-entropy of a batch; no triplets."""
        logits = self.classifier(self.scale * batch.embeddings)
        return functional.cross_entropy(logits, batch.labels, label_smoothing=self._smoothing), None


class _Kept(Loss):
    """A loss of pytorch-metric-learning behind our signature."""

    def __init__(self, loss: nn.Module):
        super().__init__()
        self.loss = loss

    def forward(self, batch: Batch) -> tuple[Tensor, None]:
        """The loss of a batch; no triplets."""
        return self.loss(batch.embeddings, batch.labels), None


def cross_entropy(people: int, dimension: int, smoothing: float = 0.0) -> Loss:
    """Cross-entropy over `people` classes with the embedding of `dimension` numbers as its bottleneck."""
    return BottleneckClassifier(people, dimension, smoothing)


def arcface(people: int, dimension: int, angle: float = 28.6, scale: float = 64.0) -> Loss:
    """Additive angular margin of `angle` degrees on scaled cosines (Deng et al. 2019, equation 3)."""
    return _Kept(ArcFaceLoss(people, dimension, margin=angle, scale=scale))


def contrastive(margin: float = 1.0) -> Loss:
    """Pull same-person pairs together, push others apart up to a squared distance (Hadsell et al. 2006)."""
    return _Kept(ContrastiveLoss(pos_margin=0, neg_margin=margin, distance=LpDistance(power=2)))
