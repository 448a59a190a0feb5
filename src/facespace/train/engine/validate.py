"""Validation during training: VAL on people who are not in the training set."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from facespace.metric import squared_distance_blocks
from facespace.train.data.dataset import FaceSet
from facespace.train.data.inputs import as_input
from facespace.train.engine.watchdog import COLLAPSED

# Faces embedded at a time: enough to keep a CPU busy, with little memory; and on another device.
CHUNK, DEVICE_CHUNK = 128, 1024

# Number of faces on which a finished network is checked.
JUDGED_FACES = 64

# The FARs that validation reports, and the key that selects the best checkpoint.
FARS = (1e-1, 1e-2, 1e-3, 1e-4)
BEST_BY = "val_at_1e-03"


def embed_all(
    network: nn.Module, faces: FaceSet, rows: NDArray[np.int64], device: torch.device, bf16: bool = False
) -> Tensor:
    """Embed faces in evaluation mode, without augmentation; the network's mode is restored.

    Parameters
    ----------
    network : nn.Module
    faces : FaceSet
    rows : int64, shape (n,)
        Indices of the faces to embed.
    device : torch.device
    bf16 : bool
        Run the network in bfloat16.

    Returns
    -------
    float32 tensor, shape (n, d), on `device`
    """
    was_training = network.training
    network.eval()
    found, chunk = [], CHUNK if device.type == "cpu" else DEVICE_CHUNK
    with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=bf16):
        for start in range(0, len(rows), chunk):
            pixels = torch.from_numpy(np.ascontiguousarray(faces.crops(rows[start : start + chunk])))
            found.append(network(as_input(pixels.to(device).permute(0, 3, 1, 2).float())).float())
    network.train(was_training)
    return torch.cat(found)


def one_point(network: nn.Module, faces: FaceSet, device: torch.device, bf16: bool = False) -> str | None:
    """Return what is wrong if the network, in evaluation mode, maps all faces to one point or its output is not finite.

    Batch normalisation uses other statistics there than in training, so a network can fail that trained well.
    """
    rows = np.unique(np.linspace(0, len(faces.labels) - 1, JUDGED_FACES).astype(np.int64))
    points = embed_all(network, faces, rows, device, bf16)
    if not points.isfinite().all():
        return "its output is not finite"
    apart = 2 - 2 * float(points.mean(dim=0).square().sum())
    return None if apart >= COLLAPSED else f"it maps all faces to one point (mean squared distance {apart:.1e})"


def validation_rates(embeddings: NDArray[np.float32], labels: NDArray[np.int64]) -> dict[str, float]:
    """Compute VAL at FAR 1e-1 to 1e-4 over all pairs of faces (paper section 4.1), if there are enough pairs.

    Parameters
    ----------
    embeddings : float32, shape (n, d), L2 norm 1
    labels : int64, shape (n,)

    Returns
    -------
    dict
        Keys 'val_at_1e-01' and so on. A FAR for which fewer than ten impostor pairs would be accepted is left out.
    """
    counts = _Counts()
    for rows, block in squared_distance_blocks(embeddings, embeddings):
        same = labels[rows, None] == labels[None, :]
        # Each pair once: the upper triangle.
        later = np.arange(len(labels))[None, :] > np.arange(rows.start, rows.stop)[:, None]
        counts.add(block[same & later], block[~same & later])
    return counts.rates()


def validate(
    network: nn.Module, others: FaceSet, count: int, seed: int, device: torch.device, bf16: bool
) -> dict[str, float]:
    """VAL of a network on other people, as `validation_rates`.

    Parameters
    ----------
    network : nn.Module
    others : FaceSet
    count : int
        Faces drawn from them by the seed, the same ones each time; 0 takes all.
    seed : int
    device : torch.device
    bf16 : bool
    """
    rows = np.arange(len(others.labels))
    if 0 < count < len(rows):
        rows = np.sort(np.random.default_rng([seed, 8]).choice(rows, count, replace=False))
    points = embed_all(network, others, rows, device, bf16)
    return validation_rates(points.cpu().numpy(), others.labels[rows])


@dataclass
class _Counts:
    """Histograms of distances, with bins so fine that their effect on VAL is negligible."""

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
            # The last bin at which the share of accepted impostors does not exceed the FAR.
            cut = int(np.searchsorted(impostor, far * impostor[-1], side="right")) - 1
            rates[f"val_at_{far:.0e}"] = float(genuine[cut] / genuine[-1]) if cut >= 0 else 0.0
        return rates
