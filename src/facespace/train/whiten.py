"""The last turn of a small space: directions in which photos of one person vary are drawn together."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from facespace.train.dataset import FaceSet
from facespace.train.distort import Draw, distorted
from facespace.train.inputs import as_input
from facespace.train.recipe import AugmentSection, Recipe

# Faces embedded at a time.
_CHUNK = 256
# Which chance of a recipe's seed this is; training draws the others.
_PURPOSE = 9


class Whitened(nn.Module):
    """A network, and a linear map of its points: (n, 3, h, w) to (n, d) with L2 norm 1.

    Parameters
    ----------
    network : maps (n, 3, h, w) to (n, d)
    mean : float32, shape (d,)
    matrix : float32, shape (d, d)
        Applied to points as rows: (points - mean) @ matrix.
    """

    def __init__(self, network: nn.Module, mean: NDArray[np.float32], matrix: NDArray[np.float32]):
        super().__init__()
        self.network = network
        self.map = nn.Linear(len(mean), matrix.shape[1])
        with torch.no_grad():
            self.map.weight.copy_(torch.from_numpy(np.ascontiguousarray(matrix.T)))
            self.map.bias.copy_(torch.from_numpy(-mean @ matrix))

    def forward(self, faces: Tensor) -> Tensor:
        """Float (n, 3, h, w) to (n, d)."""
        return functional.normalize(self.map(self.network(faces)), dim=1)


def whitening(
    points: NDArray[np.float32], labels: NDArray[np.int64], shrinkage: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Within-class covariance normalisation (Hatch, Kajarekar and Stolcke, 2006): its mean and matrix.

    After it, photos of one person spread alike in every direction, so a squared distance counts each direction by how
    little it says of the photo and how much of the person.

    Parameters
    ----------
    points : float32, shape (n, d)
    labels : int64, shape (n,)
        People, with two points or more for most.
    shrinkage : float
        Share of the mean variance added to every direction: what so few photos say of the faint ones is not
        to be believed.

    Returns
    -------
    mean : float32, shape (d,)
    matrix : float32, shape (d, d), symmetric
    """
    found, own = np.unique(labels, return_inverse=True)
    values = points.astype(np.float64)
    templates = np.zeros((len(found), values.shape[1]))
    np.add.at(templates, own, values)
    templates /= np.bincount(own)[:, None]
    within = values - templates[own]
    covariance = within.T @ within / len(within)
    variance = max(float(np.trace(covariance)) / len(covariance), 1e-12)
    spread, directions = np.linalg.eigh(covariance + shrinkage * variance * np.eye(len(covariance)))
    matrix = (directions / np.sqrt(spread)) @ directions.T * np.sqrt(variance)
    return values.mean(axis=0).astype(np.float32), matrix.astype(np.float32)


def whitened(network: nn.Module, recipe: Recipe, faces: FaceSet) -> nn.Module:
    """A trained network with the whitening its recipe asks for; the network itself where it asks for none.

    Each training face counts as it is and in `copies` versions changed at random as in training: the network has
    learnt the faces themselves by heart, and their points say too little of how photos of a person vary.

    Parameters
    ----------
    network : nn.Module
        In evaluation mode.
    recipe : Recipe
    faces : FaceSet
        The people it was trained on.
    """
    section = recipe.whitening
    if section is None:
        return network
    rng = np.random.default_rng([recipe.seed, _PURPOSE])
    points = np.concatenate(
        [_embedded(network, faces, None if copy == 0 else (recipe.augment, rng)) for copy in range(section.copies + 1)]
    )
    mean, matrix = whitening(points, np.tile(faces.labels, section.copies + 1), section.shrinkage)
    return Whitened(network, mean, matrix).eval()


def _embedded(
    network: nn.Module, faces: FaceSet, change: tuple[AugmentSection, np.random.Generator] | None
) -> NDArray[np.float32]:
    found = []
    for start in range(0, len(faces.labels), _CHUNK):
        rows = slice(start, start + _CHUNK)
        if change is None:
            pixels = np.ascontiguousarray(faces.crops(rows))
        else:
            options, rng = change
            margined = faces.pixels[rows]
            pixels = distorted(margined, faces.margin, faces.input_size, options, Draw.of(len(margined), rng))
        with torch.inference_mode():
            found.append(network(as_input(torch.from_numpy(pixels).permute(0, 3, 1, 2).float())).float().numpy())
    return np.concatenate(found)
