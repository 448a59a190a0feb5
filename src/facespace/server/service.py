"""What a service holds: the space, the gallery, the lines before them."""

import dataclasses

from fastapi import Request

from facespace.embed import Space, load
from facespace.gallery import Gallery, read_key
from facespace.images import Limits
from facespace.server.desk import Desk
from facespace.server.jobs import Jobs
from facespace.server.keys import EVERYBODY, Caller, Scope
from facespace.server.problems import Refusal
from facespace.server.settings import Settings

# Answers from the database alone: short work, in a line of its own, so that photos do not hold it up.
LIGHT_DOING, LIGHT_WAITING = 4, 64


class Service:
    """Everything that requests share. Safe to share between threads."""

    def __init__(self, settings: Settings, space: Space | None = None):
        self.settings = settings
        self.space = space or load(
            settings.model, provider=settings.provider, threads=settings.threads, detector=settings.detector
        )
        self.space.finder = dataclasses.replace(
            self.space.finder,
            longest=settings.longest,
            most=settings.faces,
            limits=Limits(settings.photo_bytes, settings.pixels),
        )
        secret = read_key(settings.gallery_key) if settings.gallery else None
        self.gallery = Gallery(settings.gallery, self.space, secret) if settings.gallery else None
        self.photos = Desk("photos", settings.doing, settings.waiting)
        self.desk = Desk("desk", LIGHT_DOING, LIGHT_WAITING)
        self.jobs = Jobs(self.space, settings.jobs, settings.job_seconds)

    def admit(self, request: Request, scope: Scope) -> Caller:
        """Who asks; refused where they may not."""
        return EVERYBODY

    def known(self) -> Gallery:
        """The gallery; refused where there is none."""
        if self.gallery is None:
            raise Refusal("not-found", "this service was started without a gallery")
        return self.gallery

    def seconds_for(self, request: Request) -> float:
        """How long the caller waits: what `Prefer: wait=N` says, up to the service's own limit."""
        for part in request.headers.get("prefer", "").split(","):
            name, _, value = part.strip().partition("=")
            if name.strip().lower() == "wait" and value.strip().isdecimal():
                return min(float(value), self.settings.seconds)
        return self.settings.seconds

    def close(self) -> None:
        """Finish what was accepted, then let everything go."""
        self.photos.close()
        self.desk.close()
        self.jobs.close()
        if self.gallery is not None:
            self.gallery.close()


def service_of(request: Request) -> Service:
    """The service that a request came to."""
    service: Service = request.app.state.service
    return service


def caller_of(request: Request) -> Caller:
    """Who sent a request."""
    caller: Caller = request.state.caller
    return caller
