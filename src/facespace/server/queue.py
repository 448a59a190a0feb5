"""Who is let in, and until when: threads that work, a bounded line before them, deadlines."""

import asyncio
import contextvars
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from prometheus_client import Gauge

from facespace.server.problems import Refusal

T = TypeVar("T")

# Monotonic time at which the request at hand is given up.
deadline: contextvars.ContextVar[float] = contextvars.ContextVar("deadline", default=float("inf"))


def in_time() -> None:
    """Refuse to go on with what nobody waits for any more."""
    if time.monotonic() > deadline.get():
        raise Refusal("deadline", "the request was given up at its deadline; send it again", 1)


class Desk:
    """A few threads, and a line of bounded length before them.

    A request takes its place before its body is read, so that what waits is bounded in memory too, and gives it up
    when it is answered, or when its thread ends where nobody waited for that.

    Parameters
    ----------
    name : str
    doing : int
        Threads.
    waiting : int
        Places in the line.
    gauge : Gauge
        Told how many are inside.
    """

    def __init__(self, name: str, doing: int, waiting: int, gauge: Gauge):
        self._pool = ThreadPoolExecutor(doing, thread_name_prefix=name)
        self._doing, self._places, self._gauge = doing, doing + waiting, gauge
        self._inside = 0
        # A moving mean of how long a request holds a thread, for telling when to come again; nothing is known yet.
        self._seconds = 0.0

    @property
    def inside(self) -> int:
        """Requests at work or waiting."""
        return self._inside

    @contextmanager
    def place(self, seconds: float) -> Iterator[None]:
        """Take a place for a request that is given up after so many seconds; refused where there is none."""
        again = self._seconds * self._inside / self._doing
        # What would come too late is not accepted; half, as the next ones may take longer than the last.
        late = self._inside >= self._doing and again > seconds / 2
        if self._inside >= self._places or late:
            raise Refusal("busy", f"{self._inside} requests are at work or waiting, and more may not", again)
        self._move(1)
        token = deadline.set(time.monotonic() + seconds)
        try:
            yield
        finally:
            deadline.reset(token)
            self._move(-1)

    async def run(self, work: Callable[[], T]) -> T:
        """Have a thread do something, until the deadline of the request."""
        loop = asyncio.get_running_loop()
        context = contextvars.copy_context()

        def timed() -> T:
            in_time()
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
            raise Refusal("deadline", "the answer was not there by the deadline; send it again", 1) from None
        finally:
            if not future.done():
                # The thread cannot be stopped, so its place stays taken until it ends.
                self._move(1)
                future.add_done_callback(lambda ended: self._leave(loop, ended))

    def close(self) -> None:
        """Finish what was let in."""
        self._pool.shutdown(wait=True)

    def _leave(self, loop: asyncio.AbstractEventLoop, ended: "Future[T]") -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(self._move, -1)

    def _move(self, by: int) -> None:
        self._inside += by
        self._gauge.inc(by)
