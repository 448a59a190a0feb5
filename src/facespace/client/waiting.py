"""Polling of jobs: the delay between polls, and the end of a job."""

import time
from collections.abc import Callable, Iterator

from facespace import schemas as s
from facespace.client.errors import ServiceError

# Called with the job at each poll.
Progress = Callable[[s.Job], None]

# Seconds between two polls. Short at first, because small jobs finish quickly.
_FIRST, _LAST, _GROWTH = 0.1, 2.0, 1.5


def pauses(name: str, timeout: float | None) -> Iterator[float]:
    """Yield the seconds to wait before each poll. Raises ServiceError after `timeout` seconds."""
    until = None if timeout is None else time.monotonic() + timeout
    pause = _FIRST
    while True:
        if until is not None and time.monotonic() >= until:
            raise ServiceError(
                f"the job {name} has not finished after {timeout:g} s; it is still running: wait again, or cancel it"
            )
        yield pause if until is None else min(pause, max(0.0, until - time.monotonic()))
        pause = min(_LAST, pause * _GROWTH)


def finished(job: s.Job) -> bool:
    """Return whether a job is done. Raises ServiceError if it was cancelled or has failed."""
    if job.state is s.JobState.CANCELLED:
        raise ServiceError(f"the job {job.job} was cancelled")
    if job.state is s.JobState.FAILED:
        raise ServiceError(f"the job {job.job} failed: {job.reason or 'no reason given'}")
    return job.state is s.JobState.DONE
