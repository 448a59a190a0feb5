"""Faces of many callers through the network together."""

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


class Together(Generic[In, Out]):
    """Gathers what several threads ask for, and does it in one go.

    The first of a batch waits at most `wait` seconds for others; while a batch is at work the next one gathers, so
    under load nobody waits for the clock.

    Parameters
    ----------
    do : callable
        A list of items to their answers, in that order. What it raises, all that asked are told.
    most : int
        Items in a batch.
    wait : float
        Seconds.
    on_batch : callable or None
        Told how many items each batch has.
    """

    def __init__(
        self,
        do: Callable[[list[In]], Sequence[Out]],
        most: int,
        wait: float,
        on_batch: Callable[[int], None] | None = None,
    ):
        self._do, self._most, self._wait, self._on_batch = do, most, wait, on_batch
        self._waiting: deque[tuple[In, Future[Out]]] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="together", daemon=True)
        self._thread.start()

    def __call__(self, items: Iterable[In]) -> list[Out]:
        """The answers to some items; waits for them."""
        asked: list[tuple[In, Future[Out]]] = [(item, Future()) for item in items]
        with self._changed:
            if self._closed:
                raise RuntimeError("nothing is done together any more: it was closed")
            self._waiting.extend(asked)
            self._changed.notify_all()
        return [future.result() for _, future in asked]

    @property
    def waiting(self) -> int:
        """Items that wait for their batch."""
        return len(self._waiting)

    def close(self) -> None:
        """Finish what was asked for, and no more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def _gather(self) -> list[tuple[In, "Future[Out]"]]:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            until = time.monotonic() + self._wait
            while 0 < len(self._waiting) < self._most and not self._closed and (left := until - time.monotonic()) > 0:
                self._changed.wait(left)
            return [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]

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
    """An engine whose batches are made of the faces of all threads that ask it. Close it when done.

    Parameters
    ----------
    engine : Embedder
    wait : float
        Seconds that a face waits for others at most.
    on_batch : callable or None
        Told how many faces each batch has.
    """

    def __init__(self, engine: Embedder, wait: float, on_batch: Callable[[int], None] | None = None):
        self.engine = engine
        self.together: Together[NDArray[np.uint8], NDArray[np.float32]] = Together(self._embed, BATCH, wait, on_batch)

    def embed(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """As `Engine.embed`."""
        return np.stack(self.together(crops)) if len(crops) else self.engine.embed(crops)

    def embed_stream(self, crops: Iterable[NDArray[np.uint8]]) -> Iterator[NDArray[np.float32]]:
        """As `Engine.embed_stream`."""
        waiting: list[NDArray[np.uint8]] = []
        for crop in crops:
            waiting.append(crop)
            if len(waiting) == BATCH:
                yield from self.together(waiting)
                waiting.clear()
        yield from self.together(waiting)

    def close(self) -> None:
        """Finish what was asked for."""
        self.together.close()

    def _embed(self, crops: list[NDArray[np.uint8]]) -> list[NDArray[np.float32]]:
        return list(self.engine.embed(np.stack(crops)))
