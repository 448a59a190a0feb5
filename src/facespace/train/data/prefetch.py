"""The next batch is made while the network is busy with this one."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Generic, TypeVar

T = TypeVar("T")


class Ahead(Generic[T]):
    """Prepares batches by their step, one ahead, in a thread of its own. Use it in a `with` statement.

    What is prepared must follow from the step alone (and what `forget` is called for), so that it makes no
    difference to any number whether it was prepared ahead.

    Parameters
    ----------
    prepare : callable
        A step's batch; called in the thread or, where nothing was begun, in the caller's.
    """

    def __init__(self, prepare: Callable[[int], T]):
        self._prepare = prepare
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ahead")
        self._begun: tuple[int, Future[T]] | None = None

    def __enter__(self) -> "Ahead[T]":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown(cancel_futures=True)

    def get(self, step: int, until: int) -> T:
        """The batch of `step`, waited for where it is not ready; begins with the next.

        Parameters
        ----------
        step : int
        until : int
            The first step after this one whose batch depends on what happens before it: not begun with.
        """
        begun, self._begun = self._begun, None
        ready = begun is not None and begun[0] == step
        batch = begun[1].result() if begun is not None and ready else self._prepare(step)
        if step + 1 < until:
            self._begun = (step + 1, self._thread.submit(self._prepare, step + 1))
        return batch

    def forget(self) -> None:
        """Drop what was begun: the run has gone back, or what batches are drawn from has changed."""
        if self._begun is not None:
            self._begun[1].cancel()
        self._begun = None
