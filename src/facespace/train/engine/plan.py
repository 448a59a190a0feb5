"""Which faces a step sees: people drawn evenly, hard triplets from the pool, or some of both."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from facespace.train.data.sampling import IdentityBatches
from facespace.train.mining import PoolTriplets, Triplets
from facespace.train.optim.optimisers import moving
from facespace.train.recipe import Recipe


@dataclass(frozen=True)
class StepFaces:
    """The faces of a step.

    faces : int64, shape (b,), positions in the training set
    hard : int64, shape (t, 3), positions in `faces` of pool-mined anchors, positives and negatives; may be empty
    """

    faces: NDArray[np.int64]
    hard: NDArray[np.int64]

    def with_hard(self, found: Triplets) -> Triplets:
        """What the online miner found, and the pool-mined triplets."""
        if not len(self.hard):
            return found
        anchor, positive, negative = torch.from_numpy(self.hard).to(found.anchor.device).T
        return found.joined(anchor, positive, negative)


class Plan:
    """Draws each step's faces from the seed, the step, and the triplets that the pool gave last.

    Attributes
    ----------
    mined : int64 tensor, shape (t, 3)
        Pool-mined triplets as positions in the training set, hardest first for each anchor; empty before the
        first search. A checkpoint keeps it.
    mined_at : int
        The step it was mined at.
    """

    def __init__(self, recipe: Recipe, batches: IdentityBatches):
        self._recipe, self._batches = recipe, batches
        self.mined = torch.empty((0, 3), dtype=torch.int64)
        self.mined_at = -1

    def due(self, step: int) -> bool:
        """Whether the pool is to be searched before this step."""
        return bool(self._recipe.mining.offline.every) and step >= self._next_search()

    def settled(self, step: int) -> int:
        """The first step after this one whose faces are not decided yet: a search of the pool comes before it."""
        return min(max(self._next_search(), step + 1), self._recipe.steps)

    def pool(self, step: int, count: int) -> NDArray[np.int64]:
        """Which of `count` training faces are embedded for the search before this step, ascending."""
        size = min(self._recipe.mining.offline.pool, count)
        return np.sort(self._rng(4, step).choice(count, size, replace=False))

    def anchors(self, step: int, size: int) -> NDArray[np.int64]:
        """Positions in a pool of `size` to find triplets for: twice what the steps until the next search need,
        as some give none."""
        offline = self._recipe.mining.offline
        needed = 2 * offline.every * self._triplets_at(step)
        return self._rng(5, step).permutation(size)[: max(needed, 1)]

    def take(self, step: int, pool: NDArray[np.int64], found: PoolTriplets) -> None:
        """Use these triplets until the next search."""
        rows = torch.stack([found.anchor, found.positive, found.negative], dim=1).cpu()
        self.mined = torch.from_numpy(pool)[rows].reshape(-1, 3)
        self.mined_at = step

    def forget(self) -> None:
        """Drop the pool's triplets: the next step that may use them searches first."""
        self.mined, self.mined_at = torch.empty((0, 3), dtype=torch.int64), -1

    def step(self, step: int) -> StepFaces:
        """The faces of a step (from 0)."""
        count = self._triplets_at(step) if len(self.mined) else 0
        if not count:
            return StepFaces(self._batches.batch(step), np.empty((0, 3), np.int64))
        first = (step - self.mined_at) * count
        rows = self.mined[torch.arange(first, first + count) % len(self.mined)].numpy()
        hard_faces, places = np.unique(rows, return_inverse=True)
        room = max(self._batches.size - 3 * count, 0)
        drawn = self._batches.batch(step)[:room]
        # A face that is in the batch by both ways is embedded once.
        faces = np.concatenate([hard_faces, drawn[~np.isin(drawn, hard_faces)]])
        return StepFaces(faces, places.reshape(rows.shape))

    def _next_search(self) -> int:
        """The step that the pool is to be searched before; the end of the run where it never is."""
        offline = self._recipe.mining.offline
        if not offline.every:
            return self._recipe.steps
        return offline.start if self.mined_at < 0 else max(offline.start, self.mined_at + offline.every)

    def _triplets_at(self, step: int) -> int:
        offline = self._recipe.mining.offline
        share = moving(offline.share, offline.final_share, step, self._recipe.steps)
        return round(share * self._batches.size / 3)

    def _rng(self, purpose: int, step: int) -> np.random.Generator:
        return np.random.default_rng([self._recipe.seed, purpose, step])
