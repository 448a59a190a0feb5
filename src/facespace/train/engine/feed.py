"""The input pipeline: the faces of each step, drawn, augmented and prefetched."""

from types import TracebackType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from facespace.train.data.augment import Draw, augmented
from facespace.train.data.augment_device import augmented_on_device
from facespace.train.data.dataset import FaceSet
from facespace.train.data.inputs import as_input
from facespace.train.data.loaders import Loaders
from facespace.train.data.prefetch import Prefetcher
from facespace.train.engine.distributed import Workers
from facespace.train.engine.plan import Plan, StepFaces
from facespace.train.engine.seeds import step_seed
from facespace.train.recipe import Recipe

# The faces of a step; of this process's share, the pixels (uint8, shape (b, h, w, 3)), augmented unless the device does
# that, and the random numbers of the augmentation (float64, shape (b, 36)).
_Prepared = tuple[StepFaces, Tensor, Tensor]


class Feed:
    """Provides the faces of each step. Use it in a `with` statement.

    A CPU augments faces with Pillow while the network works on the batch before. A GPU augments them itself: Pillow
    changes some 2,000 faces a second on one core, and a GPU embeds ten times as many.

    Parameters
    ----------
    recipe : Recipe
    faces : FaceSet
    teacher : float32, shape (n, d), or None
        The teacher's embeddings of all faces, as returned by `Loss.teacher_points`.
    plan : Plan
    workers : Workers
    """

    def __init__(
        self, recipe: Recipe, faces: FaceSet, teacher: NDArray[np.float32] | None, plan: Plan, workers: Workers
    ):
        self._recipe, self._faces, self._teacher = recipe, faces, teacher
        self._plan, self._workers = plan, workers
        self._prefetcher: Prefetcher[_Prepared] | Loaders[_Prepared] = (
            Loaders(self._prepare, workers.loaders, pin=workers.device.type == "cuda")
            if workers.loaders
            else Prefetcher(self._prepare)
        )

    def __enter__(self) -> "Feed":
        self._prefetcher.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._prefetcher.__exit__(kind, error, trace)

    def batch(self, step: int) -> tuple[StepFaces, Tensor]:
        """Return the faces of a step, and the network's input for this process's share of them.

        The input is float32, shape (b, 3, h, w), on the process's device.
        """
        chosen, pixels, uniform = self._prefetcher.get(step, self._plan.prefetch_limit(step))
        device = self._workers.device
        pixels = pixels.to(device, non_blocking=True)
        if not self._workers.augments:
            return chosen, as_input(pixels.permute(0, 3, 1, 2).float())
        faces, uniform = self._faces, uniform.to(device, torch.float32, non_blocking=True)
        return chosen, as_input(
            augmented_on_device(pixels, faces.margin, faces.input_size, self._recipe.augment, uniform)
        )

    def teacher_of(self, faces: NDArray[np.int64]) -> Tensor | None:
        """Return the teacher's embeddings of these faces; None without a teacher."""
        return None if self._teacher is None else torch.from_numpy(self._teacher[faces]).to(self._workers.device)

    def discard(self) -> None:
        """Discard prefetched batches. Call it after a rollback, or when the plan changes."""
        self._prefetcher.discard()

    def _prepare(self, step: int) -> _Prepared:
        """Return the faces of a step, and this process's share of them, augmented."""
        faces, chosen = self._faces, self._plan.step(step)
        own = self._workers.share(len(chosen.faces))
        draw = Draw.of(len(chosen.faces), np.random.default_rng(step_seed(self._recipe.seed, step, "augment")))[own]
        pixels = faces.pixels[chosen.faces[own]]
        if not self._workers.augments:
            pixels = augmented(
                pixels, faces.margin, faces.input_size, self._recipe.augment, draw, threads=not self._workers.loaders
            )
        return chosen, torch.from_numpy(pixels), torch.from_numpy(draw.uniform)
