"""The faces of each step as the network takes them, prepared while the step before is computed."""

from types import TracebackType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from facespace.train.data.augment import Draw, distorted
from facespace.train.data.dataset import FaceSet
from facespace.train.data.inputs import as_input
from facespace.train.data.loaders import Loaders
from facespace.train.data.prefetch import Ahead
from facespace.train.engine.distributed import Workers
from facespace.train.engine.plan import Plan, StepFaces
from facespace.train.engine.seeds import step_seed
from facespace.train.recipe import Recipe

# The faces of a step, and this process's share of them: uint8, shape (b, h, w, 3).
_Prepared = tuple[StepFaces, Tensor]


class Feed:
    """Gives each step its faces. Use it in a `with` statement.

    Parameters
    ----------
    recipe : Recipe
    faces : FaceSet
    teacher : float32, shape (n, d), or None
        The teacher's points of all faces, as the loss has them.
    plan : Plan
    workers : Workers
    """

    def __init__(
        self, recipe: Recipe, faces: FaceSet, teacher: NDArray[np.float32] | None, plan: Plan, workers: Workers
    ):
        self._recipe, self._faces, self._teacher = recipe, faces, teacher
        self._plan, self._workers = plan, workers
        self._ahead: Ahead[_Prepared] | Loaders[_Prepared] = (
            Loaders(self._prepare, workers.loaders, pin=workers.device.type == "cuda")
            if workers.loaders
            else Ahead(self._prepare)
        )

    def __enter__(self) -> "Feed":
        self._ahead.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ahead.__exit__(kind, error, trace)

    def batch(self, step: int) -> tuple[StepFaces, Tensor]:
        """The faces of a step, and this process's share of them: float32, shape (b, 3, h, w), on its device."""
        chosen, pixels = self._ahead.get(step, self._plan.settled(step))
        return chosen, as_input(pixels.to(self._workers.device, non_blocking=True).permute(0, 3, 1, 2).float())

    def teacher_of(self, faces: NDArray[np.int64]) -> Tensor | None:
        """The teacher's points of these faces; None where the data have none."""
        return None if self._teacher is None else torch.from_numpy(self._teacher[faces]).to(self._workers.device)

    def forget(self) -> None:
        """Drop what was prepared: the run has gone back, or the plan has changed."""
        self._ahead.forget()

    def _prepare(self, step: int) -> _Prepared:
        """The faces of a step, and this process's share of them, changed at random as the recipe says."""
        faces, chosen = self._faces, self._plan.step(step)
        own = self._workers.share(len(chosen.faces))
        draw = Draw.of(len(chosen.faces), np.random.default_rng(step_seed(self._recipe.seed, step, "augment")))[own]
        pixels = faces.pixels[chosen.faces[own]]
        changed = distorted(
            pixels, faces.margin, faces.input_size, self._recipe.augment, draw, threads=not self._workers.loaders
        )
        return chosen, torch.from_numpy(changed)
