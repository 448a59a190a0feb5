"""Stop training between two steps on Ctrl-C or SIGTERM, so that no step is lost."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from facespace.cli.output import warn

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stopping_between_steps(active: bool = True) -> Iterator[Callable[[], None]]:
    """Yield a function to call after each step; it raises KeyboardInterrupt if a signal has arrived.

    A signal before the end of the first step interrupts at once, and so does a second signal. Signals that this process
    ignores, as under nohup, stay ignored.

    Parameters
    ----------
    active : bool
        False leaves signals unchanged, because processes that share the work would not stop after the same step.
    """
    begun = asked = False

    def after_step() -> None:
        nonlocal begun
        begun = True
        if asked:
            raise KeyboardInterrupt

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked or not begun:
            raise KeyboardInterrupt
        asked = True
        warn("stopping after this step; a second Ctrl-C stops at once, and loses the steps since the last checkpoint")

    if not active or threading.current_thread() is not threading.main_thread():
        yield after_step
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    try:
        for number, handler in before.items():
            if handler is not signal.SIG_IGN:
                signal.signal(number, ask)
        yield after_step
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
