"""Any number of synthetic faces around real embeddings, one way for every benchmark.

Two-covariance model (Brümmer and De Villiers, The speaker partitioning problem, 2010), fitted to the people with three
photos or more of whichever embeddings are given: a person is drawn from a normal distribution with the mean and the
between-person covariance of the real people, a face of theirs is that plus the residual (face minus person's mean) of
a real face drawn at random, and then is scaled to length 1.

The embeddings are the teacher's of the train people of the shared data, before normalising (`real_faces("train")`), or
any model's own of the val people, whom it was not trained on (`faces_by(model)`).
"""

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facespace.evaluate import embed_photos, open_photos, protocols
from facespace.space import load

DATA = Path(__file__).parents[2] / "shared" / "data"


def real_faces(split: str, data: Path = DATA) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Raw embeddings of a split's faces by the teacher (un-normalised) and their person numbers."""
    with (data / "faces.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == split]
    points = np.load(data / "teacher.npy")[[int(row["teacher_row"]) for row in rows]].astype(np.float32)
    return points, np.unique([row["person"] for row in rows], return_inverse=True)[1]


def faces_by(model: str | None = None, data: Path = DATA) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """A model's embeddings of the val people's aligned faces, (n, d) of length 1, and their person numbers.

    The model is a file or the name of a shipped one; the one that `load()` takes where None.
    """
    asked = protocols.people(open_photos(data / "val.zip"))
    faces = embed_photos(load(model, provider="cpu", detector="aligned-128"), asked.photos, asked.names)
    return faces.embeddings, asked.labels


class SyntheticFaces:
    """Draws people and faces around real ones, (n, d) with their person numbers; everything follows from the seed."""

    def __init__(self, points: NDArray[np.float32], people: NDArray[np.int64]):
        counts = np.bincount(people)
        kept = counts[people] >= 3
        points, people = points[kept].astype(np.float64), np.unique(people[kept], return_inverse=True)[1]
        counts = np.bincount(people)
        means = np.stack([np.bincount(people, points[:, i]) for i in range(points.shape[1])], axis=1) / counts[:, None]
        # The mean of n photos is nearer to its person by n / (n - 1) than a photo that was left out of it.
        self.residuals = (points - means[people]) * np.sqrt(counts / (counts - 1))[people, None]
        within = np.cov(self.residuals.T)
        between = np.cov(means.T) - within * np.mean(1 / counts)
        values, vectors = np.linalg.eigh(between)
        self.mean = means.mean(axis=0)
        self.root = vectors * np.sqrt(np.maximum(values, 0))

    def people(self, count: int, rng: np.random.Generator) -> NDArray[np.float32]:
        """Centres of new people, un-normalised, shape (count, d)."""
        return (self.mean + rng.normal(size=(count, len(self.mean))) @ self.root.T).astype(np.float32)

    def faces(self, centres: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        """One new face for each centre given, L2 norm 1."""
        faces = centres + self.residuals[rng.integers(len(self.residuals), size=len(centres))].astype(np.float32)
        return faces / np.linalg.norm(faces, axis=1, keepdims=True)
