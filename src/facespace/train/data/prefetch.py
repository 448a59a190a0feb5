"""Prefetch in a thread: prepare the next batch while the network works on the current one."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Generic, TypeVar

T = TypeVar("T")


class Prefetcher(Generic[T]):
    """Prefetches one batch in a background thread. Use it in a `with` statement.

    A batch must depend only on its step and on state that changes only together with a call of `discard`, so that
    prefetching does not change any result.

    Parameters
    ----------
    prepare : callable
        Maps a step to its batch. Called in the background thread or, when the batch was not prefetched, in the
        caller's thread.
    """

    def __init__(self, prepare: Callable[[int], T]):
        self._prepare = prepare
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="prefetch")
        self._begun: tuple[int, Future[T]] | None = None

    def __enter__(self) -> "Prefetcher[T]":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown(cancel_futures=True)

    def get(self, step: int, until: int) -> T:
        """Return the batch of `step`, and start preparing the next one.

        Parameters
        ----------
        step : int
        until : int
            The first later step whose batch cannot be prepared yet; it is not prefetched.
        """
        begun, self._begun = self._begun, None
        ready = begun is not None and begun[0] == step
        batch = begun[1].result() if begun is not None and ready else self._prepare(step)
        if step + 1 < until:
            self._begun = (step + 1, self._thread.submit(self._prepare, step + 1))
        return batch

    def discard(self) -> None:
        """Discard the prefetched batch. Call it after a rollback, or when what batches are drawn from changes."""
        if self._begun is not None:
            self._begun[1].cancel()
        self._begun = None
