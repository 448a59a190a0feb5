"""Clusterings of uploaded photos: started, watched, cancelled, asked about, and deleted when their time is over.

All of a job lies in a folder of its own: its album, and a small file that says how far it is. So every worker can
tell of every job, and a job outlives its requests but not its time.
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
from facespace.schemas import Job, JobState
from facespace.server.problems import Refusal
from facespace.space import Space

_NAME = re.compile(r"c_[A-Za-z0-9_-]{16}")

# Seconds without a sign of life after which a job's worker is taken to be gone.
_SILENT = 60.0

# Jobs whose photos wait in memory, in each worker.
_WAITING = 4


class _Stopped(Exception):
    """A job that is to be cancelled."""


class _State(BaseModel):
    """What a job's file says."""

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
    """Clusterings in a folder.

    Parameters
    ----------
    space : Space
    folder : Path or None
        Where they lie; a temporary one, deleted by `close`, where None.
    seconds : int
        How long each is kept.
    """

    def __init__(self, space: Space, folder: Path | None, seconds: int):
        self._space, self._seconds = space, seconds
        self._own = None if folder else tempfile.TemporaryDirectory(prefix="facespace-jobs-")
        self._folder = folder or Path(self._own.name if self._own else "")
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="cluster")
        self._waiting = 0
        self._lock = threading.Lock()
        self._closing = threading.Event()

    def start(self, owner: str | None, photos: Mapping[str, bytes]) -> Job:
        """Begin to cluster photos; refused where too many jobs wait."""
        with self._lock:
            if self._waiting >= _WAITING:
                raise Refusal("busy", f"{self._waiting} clusterings are at work or waiting, which is all that may", 30)
            self._waiting += 1
        name = f"c_{secrets.token_urlsafe(12)}"
        now = time.time()
        state = _State(owner=owner, state=JobState.QUEUED, photos=len(photos), created=now, expires=now + self._seconds)
        (self._folder / name).mkdir(mode=0o700)
        self._write(name, state)
        self._pool.submit(self._work, name, state, photos)
        return _told(name, state)

    def find(self, name: str, owner: str | None, all_jobs: bool = False) -> Job:
        """How far a job is; refused where it is not there, or somebody else's."""
        return _told(name, self._read(name, owner, all_jobs))

    def mine(self, owner: str | None, all_jobs: bool = False) -> list[Job]:
        """The jobs of a caller, the newest first."""
        found = []
        for path in self._folder.glob("c_*"):
            with suppress(Refusal):
                found.append(self.find(path.name, owner, all_jobs))
        return sorted(found, key=lambda job: job.created, reverse=True)

    def cancel(self, name: str) -> None:
        """Ask for a job to be stopped; what was done is kept until it is deleted."""
        with suppress(OSError):
            (self._folder / name / "cancel").touch()

    def delete(self, name: str) -> None:
        """Delete all of a job, stopping it where it runs."""
        self.cancel(name)
        shutil.rmtree(self._folder / name, ignore_errors=True)

    @contextmanager
    def album(self, job: Job) -> Iterator[Album]:
        """The album of a finished job, for one caller at a time; refused where it is not finished."""
        if job.state is not JobState.DONE:
            raise Refusal("conflict", f"the job {job.job} is {job.state.value}; its people are known when it is done")
        with (
            FileLock(self._folder / job.job / "lock", mode=0o600),
            Album(self._folder / job.job / "album.db", self._space) as album,
        ):
            yield album

    def sweep(self, now: float | None = None) -> int:
        """Delete the jobs whose time is over, `now` or at a time in seconds since 1970; how many."""
        now = time.time() if now is None else now
        gone = 0
        for path in self._folder.glob("c_*"):
            with suppress(OSError, ValueError):
                if _State.model_validate_json((path / "job.json").read_bytes()).expires < now:
                    self.delete(path.name)
                    gone += 1
        return gone

    def close(self) -> None:
        """Stop what runs, and delete everything where the folder was a temporary one."""
        self._closing.set()
        self._pool.shutdown(wait=True, cancel_futures=True)
        if self._own is not None:
            self._own.cleanup()

    def _work(self, name: str, state: _State, photos: Mapping[str, bytes]) -> None:
        told = 0.0

        def on_photo() -> None:
            nonlocal told
            state.looked_at += 1
            if self._closing.is_set() or (self._folder / name / "cancel").exists() or not self._there(name):
                raise _Stopped
            if time.monotonic() - told > 0.2:
                told = time.monotonic()
                self._write(name, state)

        try:
            state.state = JobState.RUNNING
            self._write(name, state)
            with Album(self._folder / name / "album.db", self._space) as album:
                state.faces = album.add_uploads(photos, on_photo, workers=1).faces
                state.clusters = len(album.clusters())
            state.state = JobState.DONE
        except _Stopped:
            state.state = JobState.CANCELLED
        except FacespaceError as error:
            state.state, state.reason = JobState.FAILED, str(error)
        except Exception as error:
            state.state, state.reason = JobState.FAILED, f"a fault of the service ({type(error).__name__})"
            if self._there(name):
                raise
        finally:
            with self._lock:
                self._waiting -= 1
            self._write(name, state)

    def _there(self, name: str) -> bool:
        return (self._folder / name / "job.json").exists()

    def _write(self, name: str, state: _State) -> None:
        path = self._folder / name / "job.json"
        # A job that was deleted meanwhile stays deleted.
        with suppress(FileNotFoundError):
            path.with_suffix(".part").write_text(state.model_dump_json())
            path.with_suffix(".part").replace(path)

    def _read(self, name: str, owner: str | None, all_jobs: bool) -> _State:
        missing = Refusal("not-found", f"there is no job {name[:40]}; it may have expired")
        if not _NAME.fullmatch(name):
            raise missing
        path = self._folder / name / "job.json"
        try:
            state = _State.model_validate_json(path.read_bytes())
            silent = time.time() - path.stat().st_mtime
        except (OSError, ValueError):
            raise missing from None
        if state.expires < time.time() or (state.owner != owner and not all_jobs):
            raise missing
        if state.state is JobState.RUNNING and silent > _SILENT:
            state.state, state.reason = JobState.FAILED, "the worker that did it is gone; start it again"
        return state


def _told(name: str, state: _State) -> Job:
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
