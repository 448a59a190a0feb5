"""A small plain convolutional network for small data: a few hundred photos, a minute on a laptop."""

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

_CHANNELS = (32, 64, 96, 128)
_GROUPS = 8
_DROPOUT = 0.4


class SmallCNN(nn.Module):
    """Four stages of convolution, normalisation and pooling, one linear layer, L2 (paper figure 2).

    (n, 3, height, width) -> (n, dimension) with L2 norm 1.

    Each face is first brought to mean 0 and deviation 1, so that a darker print of a photo is the same photo.

    Parameters
    ----------
    norm : 'group' or 'batch'
        Normalise by groups of channels within a face, or over the batch. Batches of a few people have other
        statistics than faces one by one, so batch normalisation changes the distances from training to use, by a
        constant factor mostly; for people never seen it orders them better all the same (docs/explanation/demo.md).
    """

    def __init__(self, width: int, height: int, dimension: int, norm: Literal["group", "batch"] = "group"):
        super().__init__()
        stages: list[nn.Module] = []
        before = 3
        for channels in _CHANNELS:
            stages += [
                nn.Conv2d(before, channels, 3, padding=1, bias=False),
                nn.GroupNorm(_GROUPS, channels) if norm == "group" else nn.BatchNorm2d(channels),
                nn.ReLU(inplace=True),
                nn.MaxPool2d(2),
            ]
            before = channels
        self.stages = nn.Sequential(*stages)
        self.dropout = nn.Dropout(_DROPOUT)
        # Averaging over all positions would forget where an eyebrow was; a face that fills the frame is
        # told apart by just that.
        cells = (width // 2 ** len(_CHANNELS)) * (height // 2 ** len(_CHANNELS))
        self.embedding = nn.Linear(before * cells, dimension)

    def forward(self, faces: Tensor) -> Tensor:
        """Float (n, 3, height, width) to (n, dimension)."""
        mean = faces.mean(dim=(1, 2, 3), keepdim=True)
        deviation = faces.std(dim=(1, 2, 3), keepdim=True)
        features = self.stages((faces - mean) / (deviation + 1e-3))
        return functional.normalize(self.embedding(self.dropout(features.flatten(1))), dim=1)


def small_cnn(width: int, height: int, dimension: int) -> nn.Module:
    """A `SmallCNN` that normalises each face by itself, with fresh weights."""
    return SmallCNN(width, height, dimension)


def small_cnn_batch(width: int, height: int, dimension: int) -> nn.Module:
    """A `SmallCNN` that normalises over the batch, with fresh weights."""
    return SmallCNN(width, height, dimension, norm="batch")
