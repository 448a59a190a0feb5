"""Is it alive, is it ready, how much does it do?"""

from fastapi import FastAPI, Request, Response

from facespace.errors import FacespaceError
from facespace.schemas import Health
from facespace.server.keys import Scope
from facespace.server.problems import Refusal
from facespace.server.routes import Rule, door
from facespace.server.service import service_of

TEXT = "text/plain; version=0.0.4; charset=utf-8"


def add_health(app: FastAPI) -> None:
    """Declare the routes of those who run the service."""

    @door(app, "GET", "/healthz", Health, Rule(None), tags=["service"])
    async def alive(request: Request) -> Health:
        """The process runs and answers. Ask this to decide whether to start it anew."""
        return Health(status="ok")

    @door(app, "GET", "/readyz", Health, Rule(None), ("unavailable",), tags=["service"])
    async def ready(request: Request) -> Health:
        """The model is loaded and the gallery can be read. Ask this to decide whether to send requests here."""
        service = service_of(request)
        try:
            if service.gallery is not None:
                await service.desk.run(service.gallery.store.count)
        except FacespaceError:
            raise Refusal("unavailable", "the gallery cannot be read; the reason is in the service's log", 5) from None
        return Health(status="ok")

    @door(app, "GET", "/metrics", None, Rule(Scope.METRICS), tags=["service"], response_class=Response)
    async def metrics(request: Request) -> Response:
        """Counts and times, in Prometheus's text format."""
        return Response(service_of(request).metrics.told(), media_type=TEXT)
