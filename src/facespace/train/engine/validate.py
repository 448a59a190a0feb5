"""How good the space is on people it is not trained on, while it is trained."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from facespace.metric import squared_distance_blocks
from facespace.train.data.dataset import FaceSet
from facespace.train.data.inputs import as_input

# Faces embedded at a time: enough to keep a CPU busy, little memory.
CHUNK = 128

# The FARs that validation reports, and the one that the best checkpoint is chosen by.
FARS = (1e-1, 1e-2, 1e-3, 1e-4)
BEST_BY = "val_at_1e-03"


def embed_all(
    network: nn.Module, faces: FaceSet, rows: NDArray[np.int64], device: torch.device, bf16: bool = False
) -> Tensor:
    """Embed faces with the network as it is, in evaluation mode; it is left in the mode it was in.

    Parameters
    ----------
    network : nn.Module
    faces : FaceSet
    rows : int64, shape (n,)
        Which of them.
    device : torch.device
    bf16 : bool

    Returns
    -------
    float32 tensor, shape (n, d), on `device`
    """
    was_training = network.training
    network.eval()
    found = []
    with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=bf16):
        for start in range(0, len(rows), CHUNK):
            pixels = torch.from_numpy(np.ascontiguousarray(faces.crops(rows[start : start + CHUNK])))
            found.append(network(as_input(pixels.to(device).permute(0, 3, 1, 2).float())).float())
    network.train(was_training)
    return torch.cat(found)


def validation_rates(embeddings: NDArray[np.float32], labels: NDArray[np.int64]) -> dict[str, float]:
    """VAL at FAR 1e-1 to 1e-3 over all pairs of faces (paper section 4.1), as far as there are pairs.

    Parameters
    ----------
    embeddings : float32, shape (n, d), L2 norm 1
    labels : int64, shape (n,)

    Returns
    -------
    dict
        'val_at_1e-01' and so on; a FAR that fewer than ten impostor pairs would decide is left out.
    """
    counts = _Counts()
    for rows, block in squared_distance_blocks(embeddings, embeddings):
        same = labels[rows, None] == labels[None, :]
        # Each pair once: the upper triangle.
        later = np.arange(len(labels))[None, :] > np.arange(rows.start, rows.stop)[:, None]
        counts.add(block[same & later], block[~same & later])
    return counts.rates()


@dataclass
class _Counts:
    """Histograms of distances, fine enough that a threshold errs by a thousandth of a bit of VAL at most."""

    bins: int = 1 << 18

    def __post_init__(self) -> None:
        self.genuine = np.zeros(self.bins, np.int64)
        self.impostor = np.zeros(self.bins, np.int64)

    def add(self, genuine: NDArray[np.float32], impostor: NDArray[np.float32]) -> None:
        for distances, target in ((genuine, self.genuine), (impostor, self.impostor)):
            where = np.minimum((distances * (self.bins / 4)).astype(np.int64), self.bins - 1)
            target += np.bincount(where, minlength=self.bins)

    def rates(self) -> dict[str, float]:
        genuine, impostor = np.cumsum(self.genuine), np.cumsum(self.impostor)
        rates = {}
        for far in FARS:
            if genuine[-1] == 0 or far * impostor[-1] < 10:
                continue
            # The last bin up to which no more than that share of impostors is accepted.
            cut = int(np.searchsorted(impostor, far * impostor[-1], side="right")) - 1
            rates[f"val_at_{far:.0e}"] = float(genuine[cut] / genuine[-1]) if cut >= 0 else 0.0
        return rates
