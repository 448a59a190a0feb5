"""The state shared by all requests: space, gallery, keys, queues and jobs."""

import dataclasses
import time

from fastapi import Request

from facespace.gallery import Gallery, read_key
from facespace.images import Limits
from facespace.model import SharedEngine
from facespace.server.jobs import Jobs
from facespace.server.keys import UNRESTRICTED, Caller, KeyFile, Rates, Scope
from facespace.server.metrics import Metrics
from facespace.server.origin import check_origin
from facespace.server.problems import ProblemError
from facespace.server.queue import RequestQueue
from facespace.server.settings import Settings
from facespace.space import Space, load

# Database requests are short and have their own queue, so that they do not wait behind photos.
DATABASE_THREADS, DATABASE_QUEUE = 4, 64

# Seconds that a face waits for a batch on a GPU, where batches are much faster.
GPU_WAIT = 0.005


class Service:
    """Everything that requests share. Thread-safe."""

    def __init__(self, settings: Settings, space: Space | None = None):
        self.settings = settings
        self.space = space or load(
            settings.model, provider=settings.provider, threads=settings.threads, detector=settings.detector
        )
        self.space.finder = dataclasses.replace(
            self.space.finder,
            longest=settings.longest,
            max_faces=settings.faces,
            limits=Limits(settings.photo_bytes, settings.pixels),
        )
        secret = read_key(settings.gallery_key) if settings.gallery else None
        self.gallery = Gallery(settings.gallery, self.space, secret) if settings.gallery else None
        self.metrics = Metrics()
        self._shared: SharedEngine | None = None
        if settings.batching:
            self._shared = SharedEngine(self.space.engine, self._batch_wait(), self._batched)
            self.space.engine = self._shared
        self._keys = KeyFile(settings.keys) if settings.keys else None
        self._rates = Rates(settings.workers)
        self.photo_queue = RequestQueue(
            "photos", settings.concurrency, settings.queue_length, self.metrics.in_progress.labels("photos")
        )
        self.database_queue = RequestQueue(
            "database", DATABASE_THREADS, DATABASE_QUEUE, self.metrics.in_progress.labels("database")
        )
        self.jobs = Jobs(self.space, settings.jobs, settings.job_seconds)

    def admit(self, request: Request, scope: Scope) -> Caller:
        """Return the caller of a request. Raises if the key is missing, unknown, over its rate or lacks the scope."""
        check_origin(request, self._keys is not None)
        if self._keys is None:
            return UNRESTRICTED
        kind, _, key = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not key.strip():
            raise ProblemError("no-key", "send an API key in the header: Authorization: Bearer fs_...")
        caller = self._keys.caller(key.strip())
        if caller is None:
            raise ProblemError("no-key", "the API key is unknown, expired or removed")
        request.state.caller = caller
        if (wait := self._rates.take(caller, time.monotonic())) > 0:
            raise ProblemError("rate", f"the key allows {caller.rate:g} requests per minute", wait)
        if scope not in caller.scopes:
            raise ProblemError("scope", f"this request needs an API key with the scope {scope.value!r}")
        return caller

    def require_gallery(self) -> Gallery:
        """Return the gallery. Raises if the service has none."""
        if self.gallery is None:
            raise ProblemError("not-found", "this service was started without a gallery")
        return self.gallery

    def seconds_for(self, request: Request) -> float:
        """Return the timeout of a request: `Prefer: wait=N`, up to the timeout of the service."""
        for part in request.headers.get("prefer", "").split(","):
            name, _, value = part.strip().partition("=")
            if name.strip().lower() == "wait" and value.strip().isdecimal():
                return min(float(value), self.settings.timeout)
        return self.settings.timeout

    def close(self) -> None:
        """Finish accepted requests, then release all resources."""
        self.photo_queue.close()
        self.database_queue.close()
        self.jobs.close()
        if self._shared is not None:
            self.space.engine = self._shared.engine
            self._shared.close()
        if self.gallery is not None:
            self.gallery.close()

    def _batch_wait(self) -> float:
        """Return the seconds that a face waits for a batch (docs/decisions/081)."""
        if self.settings.batch_wait is not None:
            return self.settings.batch_wait
        on_cpu = getattr(self.space.engine, "provider", "cpu") == "cpu"
        return 0.0 if on_cpu else GPU_WAIT

    def _batched(self, faces: int) -> None:
        self.metrics.batch.observe(faces)
        self.metrics.faces.inc(faces)


def service_of(request: Request) -> Service:
    """Return the service of a request."""
    service: Service = request.app.state.service
    return service


def caller_of(request: Request) -> Caller:
    """Return the caller of a request."""
    caller: Caller = request.state.caller
    return caller
