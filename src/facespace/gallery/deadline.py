"""A limit on the wait for calls that cannot be interrupted."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


class Deadline:
    """Waits for calls no longer than a limit. Threads may share it.

    A late call continues in its own thread, and its result is dropped. While `most` calls are late, further
    calls fail immediately, so that a storage that does not answer does not use up threads.

    Parameters
    ----------
    seconds : float
    most : int
    """

    def __init__(self, seconds: float, most: int = 16):
        self.seconds, self._most = seconds, most
        self._lock = threading.Lock()
        self._late: list[threading.Thread] = []

    def wait(self, call: Callable[[], T]) -> T:
        """Return what the call returns, or raise what it raises; TimeoutError if it takes longer than the limit."""
        with self._lock:
            self._late = [thread for thread in self._late if thread.is_alive()]
            if len(self._late) >= self._most:
                raise TimeoutError(f"{len(self._late)} earlier calls are still waiting")
        answer: Future[T] = Future()

        def work() -> None:
            try:
                answer.set_result(call())
            except BaseException as error:
                answer.set_exception(error)

        # A daemon, so that a call that never returns does not keep the process from ending.
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        thread.join(self.seconds)
        if thread.is_alive():
            with self._lock:
                self._late.append(thread)
            raise TimeoutError(f"no answer within {self.seconds:g} s")
        return answer.result()
