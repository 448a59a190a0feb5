"""Whitening of a trained space: scale down the directions in which photos of one person vary."""

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from facespace.train.data.augment import Draw, augmented
from facespace.train.data.dataset import FaceSet
from facespace.train.data.people import person_means
from facespace.train.engine.validate import embed_all
from facespace.train.networks.layers import OnSphere
from facespace.train.recipe import AugmentSection, Recipe

# Purpose added to the recipe's seed; training uses other numbers.
_PURPOSE = 9


class Mirrored(nn.Module):
    """Averages the embeddings of a face and its mirror image: (n, 3, h, w) to (n, d) with L2 norm 1.

    This makes the embedding independent of the side a head is turned to.
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
    """A network followed by a linear map and L2 normalisation: (n, 3, h, w) to (n, d) with L2 norm 1.

    Parameters
    ----------
    network : nn.Module
        Maps (n, 3, h, w) to (n, d).
    mean : float32, shape (d,)
    matrix : float32, shape (d, d)
        Embeddings become (embeddings - mean) @ matrix.
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
    """Compute within-class covariance normalisation (Hatch, Kajarekar and Stolcke, 2006).

    After it, photos of one person vary equally in all directions, so directions in which they vary much count less in
    a squared distance.

    Parameters
    ----------
    points : float32, shape (n, d)
    labels : int64, shape (n,)
        The person of each embedding; most people should have two or more.
    shrinkage : float
        Share of the mean variance added to every direction, because few photos give poor estimates of small variances.

    Returns
    -------
    mean : float32, shape (d,)
    matrix : float32, shape (d, d), symmetric
    """
    values = points.astype(np.float64)
    means, own = person_means(points, labels)
    within = values - means[own]
    covariance = within.T @ within / len(within)
    variance = max(float(np.trace(covariance)) / len(covariance), 1e-12)
    spread, directions = np.linalg.eigh(covariance + shrinkage * variance * np.eye(len(covariance)))
    matrix = (directions / np.sqrt(spread)) @ directions.T * np.sqrt(variance)
    return values.mean(axis=0).astype(np.float32), matrix.astype(np.float32)


def whitened(network: nn.Module, recipe: Recipe, faces: FaceSet) -> nn.Module:
    """Add the recipe's whitening to a trained network; return it unchanged if the recipe has none.

    Whitening uses each training face and `copies` augmented versions of it. The network has memorised the faces
    themselves, so their embeddings vary less than those of new photos.

    Parameters
    ----------
    network : nn.Module
        In evaluation mode.
    recipe : Recipe
    faces : FaceSet
        The training faces.
    """
    section = recipe.whitening
    if section is None:
        return network
    if section.mirror:
        network = Mirrored(network).eval()
    rng = np.random.default_rng([recipe.seed, _PURPOSE])
    # A generator, so that only one version is in memory at a time.
    versions = (_changed(faces, recipe.augment, rng) if copy else faces for copy in range(section.copies + 1))
    rows = np.arange(len(faces.labels))
    points = np.concatenate([embed_all(network, each, rows, torch.device("cpu")).numpy() for each in versions])
    mean, matrix = whitening(points, np.tile(faces.labels, section.copies + 1), section.shrinkage)
    return Whitened(network, mean, matrix).eval()


def _changed(faces: FaceSet, options: AugmentSection, rng: np.random.Generator) -> FaceSet:
    """Return the same faces, augmented, at the network's input size."""
    draw = Draw.of(len(faces.labels), rng)
    pixels = augmented(faces.pixels[:], faces.margin, faces.input_size, options, draw)
    return replace(faces, pixels=pixels, margin=0, size=None)
