"""Waiting for calls no longer than a limit."""

import threading

import pytest

from facespace.gallery.deadline import Deadline


def test_what_a_call_in_time_returns_or_raises_is_passed_on():
    deadline = Deadline(60)
    assert deadline.wait(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        deadline.wait(lambda: 1 / 0)


def test_a_late_call_is_an_error_and_many_late_calls_fail_immediately_until_they_return():
    deadline, release = Deadline(0.01, most=2), threading.Event()
    started = []

    def stuck():
        started.append(True)
        release.wait(60)

    for _ in range(2):
        with pytest.raises(TimeoutError, match="no answer within 0.01 s"):
            deadline.wait(stuck)
    with pytest.raises(TimeoutError, match="2 earlier calls are still waiting"):
        deadline.wait(stuck)
    assert len(started) == 2
    release.set()
    for thread in deadline._late:
        thread.join()
    deadline.seconds = 60
    assert deadline.wait(lambda: 7) == 7
