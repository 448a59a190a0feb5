"""Dynamic batching: run the network on faces from several callers at once."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from facespace.model.engine import BATCH, Embedder

In = TypeVar("In")
Out = TypeVar("Out")


class Batcher(Generic[In, Out]):
    """Collects items from several threads and processes them in batches.

    The first item of a batch waits at most `wait` seconds for others. While a batch is processed, the next one is
    collected, so under load nobody waits for the timeout.

    Parameters
    ----------
    do : callable
        Maps a list of items to a list of results in the same order. Its exceptions are raised in all callers.
    max_batch : int
        Maximum batch size.
    wait : float
        Seconds.
    on_batch : callable or None
        Called with the size of each batch.
    """

    def __init__(
        self,
        do: Callable[[list[In]], Sequence[Out]],
        max_batch: int,
        wait: float,
        on_batch: Callable[[int], None] | None = None,
    ):
        self._do, self._max_batch, self._wait, self._on_batch = do, max_batch, wait, on_batch
        self._waiting: deque[tuple[In, Future[Out]]] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="together", daemon=True)
        self._thread.start()

    def __call__(self, items: Iterable[In]) -> list[Out]:
        """Process some items and wait for the results."""
        asked: list[tuple[In, Future[Out]]] = [(item, Future()) for item in items]
        with self._changed:
            if self._closed:
                raise RuntimeError("the batcher was closed")
            self._waiting.extend(asked)
            self._changed.notify_all()
        return [future.result() for _, future in asked]

    @property
    def waiting(self) -> int:
        """Number of items waiting for a batch."""
        return len(self._waiting)

    def close(self) -> None:
        """Finish the waiting items, and accept no more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def _gather(self) -> list[tuple[In, "Future[Out]"]]:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            until = time.monotonic() + self._wait
            while (
                0 < len(self._waiting) < self._max_batch and not self._closed and (left := until - time.monotonic()) > 0
            ):
                self._changed.wait(left)
            return [self._waiting.popleft() for _ in range(min(self._max_batch, len(self._waiting)))]

    def _work(self) -> None:
        while batch := self._gather():
            if self._on_batch:
                self._on_batch(len(batch))
            try:
                answers = self._do([item for item, _ in batch])
                for (_, future), answer in zip(batch, answers, strict=True):
                    future.set_result(answer)
            except BaseException as error:
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)


class SharedEngine:
    """An engine that batches the faces of all threads that use it. Close it when done.

    Parameters
    ----------
    engine : Embedder
    wait : float
        Maximum time in seconds that a face waits for others.
    on_batch : callable or None
        Called with the number of faces in each batch.
    """

    def __init__(self, engine: Embedder, wait: float, on_batch: Callable[[int], None] | None = None):
        self.engine = engine
        self.batcher: Batcher[NDArray[np.uint8], NDArray[np.float32]] = Batcher(self._embed, BATCH, wait, on_batch)

    def embed(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """As `Engine.embed`."""
        return np.stack(self.batcher(crops)) if len(crops) else self.engine.embed(crops)

    def embed_stream(self, crops: Iterable[NDArray[np.uint8]]) -> Iterator[NDArray[np.float32]]:
        """As `Engine.embed_stream`."""
        waiting: list[NDArray[np.uint8]] = []
        for crop in crops:
            waiting.append(crop)
            if len(waiting) == BATCH:
                yield from self.batcher(waiting)
                waiting.clear()
        yield from self.batcher(waiting)

    def close(self) -> None:
        """Finish the waiting faces."""
        self.batcher.close()

    def _embed(self, crops: list[NDArray[np.uint8]]) -> list[NDArray[np.float32]]:
        return list(self.engine.embed(np.stack(crops)))
