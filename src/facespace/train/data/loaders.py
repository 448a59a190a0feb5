"""Batches made by processes of their own, for a device that is faster than one process can feed."""

import multiprocessing
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Generic, TypeVar

from torch.utils.data import DataLoader, Dataset

T = TypeVar("T")

# Batches that each process may be ahead by.
_AHEAD = 4


class Loaders(Generic[T]):
    """Prepares batches by their step, some ahead, in several processes; used as `Ahead` is.

    Parameters
    ----------
    prepare : callable
        A step's batch, tensors in tuples; called in processes forked from this one, as it was at the first step asked
        for since `forget`.
    processes : int
        At least 1.
    pin : bool
        Lay tensors where a GPU reads them fastest.
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
        self.forget()

    def get(self, step: int, until: int) -> T:
        """The batch of `step`; begins with those that follow, up to `until`."""
        batch = next(self._begun, None) if step == self._next else None
        if batch is None:
            self._begun = iter(
                DataLoader(
                    self._steps,
                    batch_size=None,
                    sampler=range(step, until),
                    num_workers=self._processes,
                    collate_fn=_as_it_is,
                    prefetch_factor=_AHEAD,
                    pin_memory=self._pin,
                    # The faces are a mapped file and the plan is in memory: a fork has both at no cost.
                    multiprocessing_context=multiprocessing.get_context("fork"),
                )
            )
            batch = next(self._begun)
        self._next = step + 1
        return batch

    def forget(self) -> None:
        """Drop what was begun: the run has gone back, or what batches are drawn from has changed."""
        self._next, self._begun = -1, iter(())


class _Steps(Dataset[T]):
    """Steps as torch's loader wants them."""

    def __init__(self, prepare: Callable[[int], T]):
        self._prepare = prepare

    def __getitem__(self, step: int) -> T:
        return self._prepare(step)


def _as_it_is(batch: T) -> T:
    return batch
