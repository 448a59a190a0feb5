"""A small plain convolutional network for small data: minutes on a laptop, a few hundred photos."""

from torch import Tensor, nn
from torch.nn import functional

_CHANNELS = (32, 64, 96, 128)


class SmallCNN(nn.Module):
    """Four stages of convolution, normalisation and pooling, one linear layer, L2 (paper figure 2).

    (n, 3, height, width) -> (n, dimension) with L2 norm 1.
    """

    def __init__(self, width: int, height: int, dimension: int):
        super().__init__()
        stages: list[nn.Module] = []
        before = 3
        for channels in _CHANNELS:
            stages += [
                nn.Conv2d(before, channels, 3, padding=1, bias=False),
                nn.BatchNorm2d(channels),
                nn.ReLU(inplace=True),
                nn.MaxPool2d(2),
            ]
            before = channels
        self.stages = nn.Sequential(*stages)
        # Averaging over all positions would forget where an eyebrow was; a face that fills the frame is
        # told apart by just that.
        cells = (width // 2 ** len(_CHANNELS)) * (height // 2 ** len(_CHANNELS))
        self.embedding = nn.Linear(before * cells, dimension)

    def forward(self, faces: Tensor) -> Tensor:
        """Float (n, 3, height, width) to (n, dimension)."""
        return functional.normalize(self.embedding(self.stages(faces).flatten(1)), dim=1)


def small_cnn(width: int, height: int, dimension: int) -> nn.Module:
    """A `SmallCNN` with fresh weights."""
    return SmallCNN(width, height, dimension)
