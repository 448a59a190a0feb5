"""The last turn of a small space: directions in which photos of one person vary are drawn together."""

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from facespace.train.data.augment import Draw, distorted
from facespace.train.data.dataset import FaceSet
from facespace.train.data.people import means_of_people
from facespace.train.engine.validate import embed_all
from facespace.train.networks.layers import OnSphere
from facespace.train.recipe import AugmentSection, Recipe

# Which chance of a recipe's seed this is; training draws the others.
_PURPOSE = 9


class Mirrored(nn.Module):
    """A network, asked twice: (n, 3, h, w) to (n, d) with L2 norm 1, halfway between a face and its mirror image.

    Which way a head is turned says nothing of whose it is.
    """

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network
        self.on_sphere = OnSphere()

    def forward(self, faces: Tensor) -> Tensor:
        """Float (n, 3, h, w) to (n, d)."""
        found: Tensor = self.on_sphere(self.network(faces) + self.network(faces.flip(3)))
        return found


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
        self.on_sphere = OnSphere()
        with torch.no_grad():
            self.map.weight.copy_(torch.from_numpy(np.ascontiguousarray(matrix.T)))
            self.map.bias.copy_(torch.from_numpy(-mean @ matrix))

    def forward(self, faces: Tensor) -> Tensor:
        """Float (n, 3, h, w) to (n, d)."""
        found: Tensor = self.on_sphere(self.map(self.network(faces)))
        return found


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
    values = points.astype(np.float64)
    means, own = means_of_people(points, labels)
    within = values - means[own]
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
    if section.mirror:
        network = Mirrored(network).eval()
    rng = np.random.default_rng([recipe.seed, _PURPOSE])
    # One version in memory at a time.
    versions = (_changed(faces, recipe.augment, rng) if copy else faces for copy in range(section.copies + 1))
    rows = np.arange(len(faces.labels))
    points = np.concatenate([embed_all(network, each, rows, torch.device("cpu")).numpy() for each in versions])
    mean, matrix = whitening(points, np.tile(faces.labels, section.copies + 1), section.shrinkage)
    return Whitened(network, mean, matrix).eval()


def _changed(faces: FaceSet, options: AugmentSection, rng: np.random.Generator) -> FaceSet:
    """The same faces, each changed at random, as the network takes them."""
    draw = Draw.of(len(faces.labels), rng)
    pixels = distorted(faces.pixels[:], faces.margin, faces.input_size, options, draw)
    return replace(faces, pixels=pixels, margin=0, size=None)
