"""Prefetch in several processes, for a GPU that one process cannot keep busy."""

import multiprocessing
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Generic, TypeVar

from torch.utils.data import DataLoader, Dataset

T = TypeVar("T")

# Batches that each process prefetches.
_PREFETCHED = 4


class Loaders(Generic[T]):
    """Prefetches batches in several worker processes; same interface as `Prefetcher`.

    Parameters
    ----------
    prepare : callable
        Maps a step to its batch, a tuple with tensors. Called in processes forked from this one at the first `get`
        after `discard`, with the state of that moment.
    processes : int
        Number of worker processes, at least 1.
    pin : bool
        Put tensors in pinned memory, which a GPU copies faster.
    """

    def __init__(self, prepare: Callable[[int], T], processes: int, pin: bool):
        self._steps, self._processes, self._pin = _Steps(prepare), processes, pin
        self._next = -1
        self._begun: Iterator[T] = iter(())

    def __enter__(self) -> "Loaders[T]":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.discard()

    def get(self, step: int, until: int) -> T:
        """Return the batch of `step`, and start preparing the following ones, up to but excluding `until`."""
        batch = next(self._begun, None) if step == self._next else None
        if batch is None:
            self._begun = iter(
                DataLoader(
                    self._steps,
                    batch_size=None,
                    sampler=range(step, until),
                    num_workers=self._processes,
                    collate_fn=_uncollated,
                    prefetch_factor=_PREFETCHED,
                    pin_memory=self._pin,
                    # A fork shares the memory-mapped faces and the plan without a copy.
                    multiprocessing_context=multiprocessing.get_context("fork"),
                )
            )
            batch = next(self._begun)
        self._next = step + 1
        return batch

    def discard(self) -> None:
        """Discard prefetched batches. Call it after a rollback, or when what batches are drawn from changes."""
        self._next, self._begun = -1, iter(())


class _Steps(Dataset[T]):
    """The batches as a map-style data set for torch's DataLoader."""

    def __init__(self, prepare: Callable[[int], T]):
        self._prepare = prepare

    def __getitem__(self, step: int) -> T:
        return self._prepare(step)


def _uncollated(batch: T) -> T:
    return batch
