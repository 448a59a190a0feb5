"""A small convolutional network for small data sets: a few hundred photos, a minute of training on a laptop."""

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

_CHANNELS = (32, 64, 96, 128)
_GROUPS = 8
_DROPOUT = 0.4


class SmallCNN(nn.Module):
    """Four stages of convolution, normalisation and pooling, a linear layer, L2 normalisation (paper figure 2).

    (n, 3, height, width) -> (n, dimension) with L2 norm 1.

    Each face is first standardised to mean 0 and standard deviation 1, so that brightness and contrast do not matter.

    Parameters
    ----------
    width, height : int
        Input size in pixels.
    dimension : int
        Dimension of an embedding.
    norm : 'group' or 'batch'
        Group normalisation (within a face) or batch normalisation. Batches of a few people have other statistics than
        single faces, so with batch normalisation distances in use differ from those in training, mostly by a constant
        factor. It still ranks unseen people better (docs/explanation/demo.md).
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
        # No average over positions: in a face that fills the frame, the position of a feature is informative.
        cells = (width // 2 ** len(_CHANNELS)) * (height // 2 ** len(_CHANNELS))
        self.embedding = nn.Linear(before * cells, dimension)

    def forward(self, faces: Tensor) -> Tensor:
        """Float (n, 3, height, width) to (n, dimension)."""
        mean = faces.mean(dim=(1, 2, 3), keepdim=True)
        deviation = faces.std(dim=(1, 2, 3), keepdim=True)
        features = self.stages((faces - mean) / (deviation + 1e-3))
        return functional.normalize(self.embedding(self.dropout(features.flatten(1))), dim=1)


def small_cnn(width: int, height: int, dimension: int) -> nn.Module:
    """Return a `SmallCNN` with group normalisation and random weights."""
    return SmallCNN(width, height, dimension)


def small_cnn_batch(width: int, height: int, dimension: int) -> nn.Module:
    """Return a `SmallCNN` with batch normalisation and random weights."""
    return SmallCNN(width, height, dimension, norm="batch")
