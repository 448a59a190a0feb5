"""Baseline losses to compare the triplet loss with.

ArcFace and the contrastive loss come from pytorch-metric-learning. The classifier with a bottleneck layer is the
approach that the paper argues against (section 1).
"""

import torch
from pytorch_metric_learning.distances import LpDistance
from pytorch_metric_learning.losses import ArcFaceLoss, ContrastiveLoss
from torch import Tensor, nn
from torch.nn import functional

from facespace.train.losses.batch import Batch, Loss

# Initial value of the learnt factor on the cosines before the softmax.
_FIRST_SCALE = 16.0


class BottleneckClassifier(Loss):
    """Cross-entropy over the training people, with the embedding as the bottleneck layer.

    The classifier is discarded after training. The loss does not train distances between embeddings directly.
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
    """Adapts a loss of pytorch-metric-learning to our signature."""

    def __init__(self, loss: nn.Module):
        super().__init__()
        self.loss = loss

    def forward(self, batch: Batch) -> tuple[Tensor, None]:
        """The loss of a batch; no triplets."""
        return self.loss(batch.embeddings, batch.labels), None


def cross_entropy(people: int, dimension: int, smoothing: float = 0.0) -> Loss:
    """Return the cross-entropy over `people` classes with an embedding of `dimension` as the bottleneck."""
    return BottleneckClassifier(people, dimension, smoothing)


def arcface(people: int, dimension: int, angle: float = 28.6, scale: float = 64.0) -> Loss:
    """Return ArcFace: an additive angular margin of `angle` degrees on scaled cosines (Deng et al. 2019, eq. 3)."""
    return _Kept(ArcFaceLoss(people, dimension, margin=angle, scale=scale))


def contrastive(margin: float = 1.0) -> Loss:
    """Return the contrastive loss, with the margin as a squared distance (Hadsell et al. 2006)."""
    return _Kept(ContrastiveLoss(pos_margin=0, neg_margin=margin, distance=LpDistance(power=2)))
