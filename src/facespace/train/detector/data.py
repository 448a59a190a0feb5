"""Batches of views. A batch depends on the recipe's seed and the number of the step only."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from facespace.train.detector.loss import Faces
from facespace.train.detector.photos import LabelledPhotos
from facespace.train.detector.recipe import BackgroundSection, DetectorRecipe, PortraitsSection
from facespace.train.detector.views import View, training_view

Say = Callable[[str], None]


class DetectorBatch(NamedTuple):
    """Pixels uint8 (n, s, s, 3), the faces in them, and ignored cells, bool (n, s / 8, s / 8)."""

    pixels: Tensor
    faces: Faces
    ignored: Tensor


class DetectorData(NamedTuple):
    """The photos of a run."""

    wild: LabelledPhotos
    portraits: LabelledPhotos | None
    validation: LabelledPhotos | None
    background: LabelledPhotos | None = None
    more: tuple[LabelledPhotos, ...] = ()


def read_data(recipe: DetectorRecipe, cache: Path, warn: Say) -> DetectorData:
    """Read the training and validation photos. The photos reserved for the final figures are not opened."""
    wild = recipe.data.wild

    def every(name: str, section: PortraitsSection | BackgroundSection | None) -> LabelledPhotos | None:
        if section is None:
            return None
        return LabelledPhotos(section.photos, section.labels, cache / name, lambda _: True, warn)

    kept_back = (*wild.validation, *wild.report)
    return DetectorData(
        LabelledPhotos(wild.photos, wild.labels, cache / "train", lambda name: not name.startswith(kept_back), warn),
        every("portraits", recipe.data.portraits),
        read_validation(recipe, cache, warn),
        every("background", recipe.data.background),
        tuple(
            LabelledPhotos(section.photos, section.labels, cache / f"more-{number}", lambda _: True, warn)
            for number, section in enumerate(recipe.data.more, 1)
        ),
    )


def read_validation(recipe: DetectorRecipe, cache: Path, warn: Say) -> LabelledPhotos | None:
    """Read the validation photos; None if the recipe names none."""
    wild = recipe.data.wild
    if not wild.validation:
        return None
    return LabelledPhotos(
        wild.photos, wild.labels, cache / "validation", lambda name: name.startswith(wild.validation), warn
    )


class _Batches(Dataset[DetectorBatch]):
    def __init__(self, data: DetectorData, recipe: DetectorRecipe):
        self._data = data
        self._recipe = recipe

    def __len__(self) -> int:
        return self._recipe.steps

    def __getitem__(self, step: int) -> DetectorBatch:
        recipe, data = self._recipe, self._data
        views, side = recipe.batch.views, recipe.batch.side
        generator = np.random.default_rng([recipe.seed, step])
        sources: list[LabelledPhotos] = []
        shared = (
            (data.portraits, recipe.data.portraits), (data.background, recipe.data.background),
            *zip(data.more, recipe.data.more, strict=True),
        )  # fmt: skip
        for photos, section in shared:
            if photos is not None and section is not None:
                sources += [photos] * int(generator.binomial(views, section.share))
        made = []
        for place in range(views):
            photos = sources[place] if place < len(sources) else data.wild
            # Each epoch visits every photo once, in a new order.
            number = int(generator.integers(len(photos)))
            if photos is data.wild:
                number = _shuffled(recipe.seed, step * views + place, len(photos))
            portrait = photos is data.portraits
            made.append(training_view(photos.pixels(number), photos.labels(number), side, generator, portrait))
        return _together(made)


def batches(
    data: DetectorData, recipe: DetectorRecipe, first: int, loaders: int, pin: bool = False
) -> Iterator[DetectorBatch]:
    """The batches from step `first` on, prepared by `loaders` worker processes; `pin` puts them where a GPU can fetch
    them while it computes."""
    loader = DataLoader(
        _Batches(data, recipe), batch_size=None, sampler=range(first, recipe.steps), num_workers=loaders,
        prefetch_factor=3 if loaders else None, pin_memory=pin,
    )  # fmt: skip
    return iter(loader)


def _shuffled(seed: int, number: int, count: int) -> int:
    times, place = divmod(number, count)
    return int(np.random.default_rng([seed, times, 1]).permutation(count)[place])


def _together(views: list[View]) -> DetectorBatch:
    counts = [len(view.boxes) for view in views]
    faces = Faces(
        torch.repeat_interleave(torch.arange(len(views)), torch.tensor(counts)),
        *(
            torch.from_numpy(np.concatenate(parts).astype(np.float32))
            for parts in zip(*((view.boxes, view.landmarks, view.trust) for view in views), strict=True)
        ),
    )
    return DetectorBatch(
        torch.from_numpy(np.stack([view.pixels for view in views])), faces,
        torch.from_numpy(np.stack([view.ignored for view in views])),
    )  # fmt: skip
