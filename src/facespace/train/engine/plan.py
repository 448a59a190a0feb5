"""Select the faces of each step: people drawn uniformly, hard triplets from the pool, or both."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from facespace.train.data.sampling import IdentityBatches
from facespace.train.mining import PoolTriplets, Triplets
from facespace.train.optim.optimisers import interpolate
from facespace.train.recipe import Recipe


@dataclass(frozen=True)
class StepFaces:
    """The faces of a step.

    faces : int64, shape (b,), positions in the training set
    hard : int64, shape (t, 3), positions in `faces` of the anchor, positive and negative of triplets from the pool;
        may be empty
    """

    faces: NDArray[np.int64]
    hard: NDArray[np.int64]

    def with_hard(self, found: Triplets) -> Triplets:
        """Add the triplets from the pool to those found by the online miner."""
        if not len(self.hard):
            return found
        anchor, positive, negative = torch.from_numpy(self.hard).to(found.anchor.device).T
        return found.joined(anchor, positive, negative)


class Plan:
    """Draws the faces of each step; depends only on the seed, the step and the triplets of the last pool search.

    Attributes
    ----------
    mined : int64 tensor, shape (t, 3)
        Triplets of the last pool search as positions in the training set; empty before the first search. Saved in
        checkpoints.
    mined_at : int
        Step of the last search, -1 before the first.
    """

    def __init__(self, recipe: Recipe, batches: IdentityBatches):
        self._recipe, self._batches = recipe, batches
        self.mined = torch.empty((0, 3), dtype=torch.int64)
        self.mined_at = -1

    def due(self, step: int) -> bool:
        """Return whether the pool must be searched before this step."""
        return bool(self._recipe.mining.offline.every) and step >= self._next_search()

    def prefetch_limit(self, step: int) -> int:
        """Return the first later step whose faces are not determined yet, because a pool search comes before it."""
        return min(max(self._next_search(), step + 1), self._recipe.steps)

    def pool(self, step: int, count: int) -> NDArray[np.int64]:
        """Draw which of `count` training faces form the pool for the search before this step, ascending."""
        size = min(self._recipe.mining.offline.pool, count)
        return np.sort(self._rng(4, step).choice(count, size, replace=False))

    def anchors(self, step: int, size: int) -> NDArray[np.int64]:
        """Draw the anchors, as positions in a pool of `size`.

        Draws twice as many as the steps until the next search need, because some anchors give no triplet.
        """
        offline = self._recipe.mining.offline
        needed = 2 * offline.every * self._triplets_at(step)
        return self._rng(5, step).permutation(size)[: max(needed, 1)]

    def take(self, step: int, pool: NDArray[np.int64], found: PoolTriplets) -> None:
        """Use the triplets of a pool search until the next one."""
        rows = torch.stack([found.anchor, found.positive, found.negative], dim=1).cpu()
        self.mined = torch.from_numpy(pool)[rows].reshape(-1, 3)
        self.mined_at = step

    def discard(self) -> None:
        """Discard the triplets from the pool, so that the next step that needs them searches again."""
        self.mined, self.mined_at = torch.empty((0, 3), dtype=torch.int64), -1

    def step(self, step: int) -> StepFaces:
        """Return the faces of a step (from 0)."""
        count = self._triplets_at(step) if len(self.mined) else 0
        if not count:
            return StepFaces(self._batches.batch(step), np.empty((0, 3), np.int64))
        first = (step - self.mined_at) * count
        rows = self.mined[torch.arange(first, first + count) % len(self.mined)].numpy()
        hard_faces, places = np.unique(rows, return_inverse=True)
        # Without online triplets, none are drawn in place of photos that several triplets share.
        room = self._batches.size - len(hard_faces) if 3 * count < self._batches.size else 0
        drawn = self._batches.batch(step)
        # A face that was selected both ways is embedded once, and another one takes its place: a GPU needs most of a
        # second for each new size of a batch.
        faces = np.concatenate([hard_faces, drawn[~np.isin(drawn, hard_faces)][:room]])
        return StepFaces(faces, places.reshape(rows.shape))

    def _next_search(self) -> int:
        """Return the step before which the pool is searched next; the end of the run if there is no search."""
        offline = self._recipe.mining.offline
        if not offline.every:
            return self._recipe.steps
        return offline.start if self.mined_at < 0 else max(offline.start, self.mined_at + offline.every)

    def _triplets_at(self, step: int) -> int:
        offline = self._recipe.mining.offline
        share = interpolate(offline.share, offline.final_share, step, self._recipe.steps)
        return round(share * self._batches.size / 3)

    def _rng(self, purpose: int, step: int) -> np.random.Generator:
        return np.random.default_rng([self._recipe.seed, purpose, step])
