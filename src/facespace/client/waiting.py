"""Waiting for a job: how long between two looks, and what the last look means."""

import time
from collections.abc import Callable, Iterator

from facespace import schemas as s
from facespace.client.errors import ServiceError

# Called with the job each time it is looked at.
Progress = Callable[[s.Job], None]

# Seconds between two looks: few at first, as small jobs are done at once.
_FIRST, _LAST, _GROWTH = 0.1, 2.0, 1.5


def pauses(name: str, timeout: float | None) -> Iterator[float]:
    """Seconds to wait before each look; ServiceError when `timeout` seconds are over."""
    until = None if timeout is None else time.monotonic() + timeout
    pause = _FIRST
    while True:
        if until is not None and time.monotonic() >= until:
            raise ServiceError(
                f"the job {name} is still at work after {timeout:g} s; it goes on, so wait for it again, or cancel it"
            )
        yield pause if until is None else min(pause, max(0.0, until - time.monotonic()))
        pause = min(_LAST, pause * _GROWTH)


def finished(job: s.Job) -> bool:
    """Whether a job is done; ServiceError where it was cancelled or failed, and will never be."""
    if job.state is s.JobState.CANCELLED:
        raise ServiceError(f"the job {job.job} was cancelled")
    if job.state is s.JobState.FAILED:
        raise ServiceError(f"the job {job.job} failed: {job.reason or 'the service gives no reason'}")
    return job.state is s.JobState.DONE
