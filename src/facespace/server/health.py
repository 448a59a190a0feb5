"""Routes for monitoring: liveness, readiness and metrics."""

from fastapi import FastAPI, Request, Response

from facespace.errors import FacespaceError
from facespace.schemas import Health
from facespace.server.keys import Scope
from facespace.server.problems import ProblemError
from facespace.server.routes import Rule, route
from facespace.server.service import service_of

TEXT = "text/plain; version=0.0.4; charset=utf-8"


def add_health(app: FastAPI) -> None:
    """Declare the monitoring routes."""

    @route(app, "GET", "/healthz", Health, Rule(None), tags=["service"])
    async def alive(request: Request) -> Health:
        """Liveness: the process runs and answers. Use it to decide whether to restart the service."""
        return Health(status="ok")

    @route(app, "GET", "/readyz", Health, Rule(None), ("unavailable",), tags=["service"])
    async def ready(request: Request) -> Health:
        """Readiness: the model is loaded and the gallery can be read. Use it to decide whether to send requests."""
        service = service_of(request)
        try:
            if service.gallery is not None:
                await service.database_queue.run(service.gallery.store.count)
        except FacespaceError:
            raise ProblemError("unavailable", "the gallery cannot be read; see the log of the service", 5) from None
        return Health(status="ok")

    @route(app, "GET", "/metrics", None, Rule(Scope.METRICS), tags=["service"], response_class=Response)
    async def metrics(request: Request) -> Response:
        """Return metrics in the Prometheus text format."""
        return Response(service_of(request).metrics.export(), media_type=TEXT)
