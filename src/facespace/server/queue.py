"""Request queues: worker threads, a bounded queue in front of them, and deadlines."""

import asyncio
import contextvars
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from prometheus_client import Gauge

from facespace.server.problems import ProblemError

T = TypeVar("T")

# Monotonic time at which the current request times out.
deadline: contextvars.ContextVar[float] = contextvars.ContextVar("deadline", default=float("inf"))


def check_deadline() -> None:
    """Raise an error if the current request has timed out."""
    if time.monotonic() > deadline.get():
        raise ProblemError("deadline", "the request timed out; send it again", 1)


class RequestQueue:
    """A thread pool with a queue of bounded length.

    A request takes a place before its body is read, which bounds the memory of waiting requests too. It releases the
    place when it is answered or, if it timed out before, when its thread ends.

    Parameters
    ----------
    name : str
    threads : int
        Number of threads.
    length : int
        Length of the queue.
    gauge : Gauge
        Set to the number of requests in progress: being processed or waiting.
    """

    def __init__(self, name: str, threads: int, length: int, gauge: Gauge):
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._threads, self._places, self._gauge = threads, threads + length, gauge
        self._in_progress = 0
        # Moving average of the seconds that a request takes in its thread, to estimate Retry-After.
        self._seconds = 0.0

    @property
    def in_progress(self) -> int:
        """Number of requests that are being processed or waiting."""
        return self._in_progress

    @contextmanager
    def place(self, seconds: float) -> Iterator[None]:
        """Take a place in the queue for a request that times out after `seconds`. Raises if the queue is full."""
        retry_after = self._seconds * self._in_progress / self._threads
        # Reject a request that would probably time out. Half the time, because estimates can be too low.
        too_late = self._in_progress >= self._threads and retry_after > seconds / 2
        if self._in_progress >= self._places or too_late:
            raise ProblemError("busy", f"the queue is full: {self._in_progress} requests are in progress", retry_after)
        self._count(1)
        token = deadline.set(time.monotonic() + seconds)
        try:
            yield
        finally:
            deadline.reset(token)
            self._count(-1)

    async def run(self, work: Callable[[], T]) -> T:
        """Run `work` in a thread and wait for it, at most until the deadline of the request."""
        loop = asyncio.get_running_loop()
        context = contextvars.copy_context()

        def timed() -> T:
            check_deadline()
            started = time.monotonic()
            try:
                return work()
            finally:
                self._seconds += 0.1 * (time.monotonic() - started - self._seconds)

        future = self._pool.submit(context.run, timed)
        try:
            left = max(0.0, deadline.get() - time.monotonic())
            return await asyncio.wait_for(asyncio.wrap_future(future), left if left < 1e9 else None)
        except TimeoutError:
            raise ProblemError("deadline", "the request timed out; send it again", 1) from None
        finally:
            if not future.done():
                # A thread cannot be stopped, so it keeps its place until it ends.
                self._count(1)
                future.add_done_callback(lambda done: self._release(loop, done))

    def close(self) -> None:
        """Finish the accepted requests and stop the threads."""
        self._pool.shutdown(wait=True)

    def _release(self, loop: asyncio.AbstractEventLoop, done: "Future[T]") -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(self._count, -1)

    def _count(self, by: int) -> None:
        self._in_progress += by
        self._gauge.inc(by)
