"""Clustering jobs: start, progress, cancel, results, and deletion when they expire.

Each job has a folder with its album and a small file with its state, so every worker process can report on every job.
"""

import re
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock
from pydantic import BaseModel

from facespace.album import Album
from facespace.errors import FacespaceError
from facespace.files import replacing
from facespace.schemas import Job, JobState
from facespace.server.problems import ProblemError
from facespace.space import Space

_NAME = re.compile(r"c_[A-Za-z0-9_-]{16}")

# Seconds without an update of its state after which the worker of a job is considered dead.
_DEAD_AFTER = 60.0

# Maximum number of jobs whose photos are in memory, per worker process.
_MAX_JOBS = 4


class _Cancelled(Exception):
    """Raised inside a job to cancel it."""


class _State(BaseModel):
    """The content of the state file of a job."""

    owner: str | None
    state: JobState
    photos: int
    looked_at: int = 0
    faces: int = 0
    clusters: int = 0
    reason: str | None = None
    created: float
    expires: float


class Jobs:
    """Clustering jobs in a folder.

    Parameters
    ----------
    space : Space
    folder : Path or None
        The folder. By default a temporary folder, deleted by `close`.
    seconds : int
        How long each job is kept.
    """

    def __init__(self, space: Space, folder: Path | None, seconds: int):
        self._space, self._seconds = space, seconds
        self._own = None if folder else tempfile.TemporaryDirectory(prefix="facespace-jobs-")
        self._folder = folder or Path(self._own.name if self._own else "")
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="cluster")
        self._jobs = 0
        self._lock = threading.Lock()
        self._closing = threading.Event()

    def start(self, owner: str | None, photos: Mapping[str, bytes]) -> Job:
        """Start to cluster photos. Raises if too many jobs are waiting."""
        with self._lock:
            if self._jobs >= _MAX_JOBS:
                raise ProblemError("busy", f"the queue is full: {self._jobs} clustering jobs are in progress", 30)
            self._jobs += 1
        name = f"c_{secrets.token_urlsafe(12)}"
        now = time.time()
        state = _State(owner=owner, state=JobState.QUEUED, photos=len(photos), created=now, expires=now + self._seconds)
        (self._folder / name).mkdir(mode=0o700)
        self._write(name, state)
        self._pool.submit(self._work, name, state, photos)
        return _as_job(name, state)

    def find(self, name: str, owner: str | None, all_jobs: bool = False) -> Job:
        """Return the state of a job. Raises if it does not exist or belongs to another caller."""
        return _as_job(name, self._read(name, owner, all_jobs))

    def mine(self, owner: str | None, all_jobs: bool = False) -> list[Job]:
        """Return the jobs of a caller, newest first."""
        found = []
        for path in self._folder.glob("c_*"):
            with suppress(ProblemError):
                found.append(self.find(path.name, owner, all_jobs))
        return sorted(found, key=lambda job: job.created, reverse=True)

    def cancel(self, name: str) -> None:
        """Request that a job stops. What it has found so far is kept until the job is deleted."""
        with suppress(OSError):
            (self._folder / name / "cancel").touch()

    def delete(self, name: str) -> None:
        """Delete a job and its data. A running job is stopped."""
        self.cancel(name)
        shutil.rmtree(self._folder / name, ignore_errors=True)

    @contextmanager
    def album(self, job: Job) -> Iterator[Album]:
        """Open the album of a finished job, for one caller at a time. Raises if the job is not finished."""
        if job.state is not JobState.DONE:
            raise ProblemError(
                "conflict", f"the job {job.job} is {job.state.value}; its result is available when it is done"
            )
        with (
            FileLock(self._folder / job.job / "lock", mode=0o600),
            Album(self._folder / job.job / "album.db", self._space) as album,
        ):
            yield album

    def sweep(self, now: float | None = None) -> int:
        """Delete the jobs that have expired by `now` (seconds since 1970; default: now) and return how many."""
        now = time.time() if now is None else now
        gone = 0
        for path in self._folder.glob("c_*"):
            with suppress(OSError, ValueError):
                if _State.model_validate_json((path / "job.json").read_bytes()).expires < now:
                    self.delete(path.name)
                    gone += 1
        return gone

    def close(self) -> None:
        """Stop running jobs, and delete the folder if it is temporary."""
        self._closing.set()
        self._pool.shutdown(wait=True, cancel_futures=True)
        if self._own is not None:
            self._own.cleanup()

    def _work(self, name: str, state: _State, photos: Mapping[str, bytes]) -> None:
        written = 0.0

        def on_photo() -> None:
            nonlocal written
            state.looked_at += 1
            if self._closing.is_set() or (self._folder / name / "cancel").exists() or not self._exists(name):
                raise _Cancelled
            if time.monotonic() - written > 0.2:
                written = time.monotonic()
                self._write(name, state)

        try:
            state.state = JobState.RUNNING
            self._write(name, state)
            with Album(self._folder / name / "album.db", self._space) as album:
                state.faces = album.add_uploads(photos, on_photo, workers=1).faces
                state.clusters = len(album.clusters())
            state.state = JobState.DONE
        except _Cancelled:
            state.state = JobState.CANCELLED
        except FacespaceError as error:
            state.state, state.reason = JobState.FAILED, str(error)
        except Exception as error:
            state.state, state.reason = JobState.FAILED, f"internal error ({type(error).__name__})"
            if self._exists(name):
                raise
        finally:
            with self._lock:
                self._jobs -= 1
            self._write(name, state)

    def _exists(self, name: str) -> bool:
        return (self._folder / name / "job.json").exists()

    def _write(self, name: str, state: _State) -> None:
        path = self._folder / name / "job.json"
        # The folder is gone if the job was deleted meanwhile.
        with suppress(FileNotFoundError), replacing(path) as partial:
            partial.write_text(state.model_dump_json())

    def _read(self, name: str, owner: str | None, all_jobs: bool) -> _State:
        missing = ProblemError("not-found", f"there is no job {name[:40]}; it may have expired")
        if not _NAME.fullmatch(name):
            raise missing
        path = self._folder / name / "job.json"
        try:
            state = _State.model_validate_json(path.read_bytes())
            age = time.time() - path.stat().st_mtime
        except (OSError, ValueError):
            raise missing from None
        if state.expires < time.time() or (state.owner != owner and not all_jobs):
            raise missing
        if state.state is JobState.RUNNING and age > _DEAD_AFTER:
            state.state, state.reason = JobState.FAILED, "its worker process has died; start the job again"
        return state


def _as_job(name: str, state: _State) -> Job:
    return Job(
        job=name,
        state=state.state,
        photos=state.photos,
        looked_at=state.looked_at,
        faces=state.faces,
        clusters=state.clusters,
        reason=state.reason,
        created=_time(state.created),
        expires=_time(state.expires),
    )


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
