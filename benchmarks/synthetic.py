"""Generate synthetic embeddings around real ones, for all benchmarks.

Uses a two-covariance model (Brümmer and De Villiers, The speaker partitioning problem, 2010), fitted to the people with
three or more photos. A person is drawn from a normal distribution with the mean and the between-person covariance of
the real people. A face is the person plus the residual (face minus person's mean) of a random real face, normalised.

The real embeddings are the teacher's of the training people of ../shared/data, before normalisation
(`real_faces("train")`), or a model's of the validation people (`faces_by(model)`).
"""

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facespace.evaluate import embed_photos, open_photos, protocols
from facespace.space import load

DATA = Path(__file__).parents[2] / "shared" / "data"


def real_faces(split: str, data: Path = DATA) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the teacher's embeddings of a split's faces, not normalised, and their person numbers."""
    with (data / "faces.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == split]
    points = np.load(data / "teacher.npy")[[int(row["teacher_row"]) for row in rows]].astype(np.float32)
    return points, np.unique([row["person"] for row in rows], return_inverse=True)[1]


def faces_by(model: str | None = None, data: Path = DATA) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return a model's embeddings of the validation people's aligned faces, (n, d) of L2 norm 1, and person numbers.

    The model is a file or the name of a shipped one; None is the default model.
    """
    asked = protocols.people(open_photos(data / "val.zip"))
    faces = embed_photos(load(model, provider="cpu", detector="aligned-128"), asked.photos, asked.names)
    return faces.embeddings, asked.labels


class SyntheticFaces:
    """Draws people and faces around real embeddings (n, d) with person numbers; reproducible by seed."""

    def __init__(self, points: NDArray[np.float32], people: NDArray[np.int64]):
        counts = np.bincount(people)
        kept = counts[people] >= 3
        points, people = points[kept].astype(np.float64), np.unique(people[kept], return_inverse=True)[1]
        counts = np.bincount(people)
        means = np.stack([np.bincount(people, points[:, i]) for i in range(points.shape[1])], axis=1) / counts[:, None]
        # Correct for the mean of n photos containing the photo itself: factor n / (n - 1).
        self.residuals = (points - means[people]) * np.sqrt(counts / (counts - 1))[people, None]
        within = np.cov(self.residuals.T)
        between = np.cov(means.T) - within * np.mean(1 / counts)
        values, vectors = np.linalg.eigh(between)
        self.mean = means.mean(axis=0)
        self.root = vectors * np.sqrt(np.maximum(values, 0))

    def people(self, count: int, rng: np.random.Generator) -> NDArray[np.float32]:
        """Draw centres of new people, not normalised, shape (count, d)."""
        return (self.mean + rng.normal(size=(count, len(self.mean))) @ self.root.T).astype(np.float32)

    def faces(self, centres: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        """Draw one new face for each centre, L2 norm 1."""
        faces = centres + self.residuals[rng.integers(len(self.residuals), size=len(centres))].astype(np.float32)
        return faces / np.linalg.norm(faces, axis=1, keepdims=True)
