"""The FastAPI application: all routes and middleware."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from facespace import __version__
from facespace.server.batches import add_batches
from facespace.server.clusters import add_clusters
from facespace.server.cors import add_cors
from facespace.server.groups import add_groups
from facespace.server.health import add_health
from facespace.server.matching import add_matching
from facespace.server.middleware import RequestMiddleware
from facespace.server.models import add_models
from facespace.server.openapi import describe
from facespace.server.people import add_people
from facespace.server.photos import add_photos
from facespace.server.problems import add_problems
from facespace.server.reference import add_reference
from facespace.server.routes import CheckedRoute
from facespace.server.service import Service
from facespace.server.settings import Settings
from facespace.space import Space

PAGE = Path(__file__).parent / "page"

# Seconds between two deletions of expired clustering jobs.
SWEEP = 60


def create_app(settings: Settings | None = None, space: Space | None = None) -> FastAPI:
    """Create the application.

    Parameters
    ----------
    settings : Settings or None
        By default, read from the environment, which is how worker processes get them.
    space : Space or None
        By default, loaded as the settings say.
    """
    settings = settings or Settings.of_environment()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.service = service = Service(settings, space)
        sweeping = asyncio.create_task(_sweep(service))
        try:
            yield
        finally:
            sweeping.cancel()
            service.close()

    app = FastAPI(
        title="facespace",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/v1/openapi.json",
    )
    app.router.route_class = CheckedRoute
    add_problems(app)
    add_photos(app)
    add_batches(app, settings.photos)
    add_people(app, settings.photos)
    add_matching(app)
    add_clusters(app, settings.photos)
    add_groups(app)
    add_models(app)
    add_health(app)
    add_reference(app)
    describe(app, settings.keys is not None)
    if PAGE.is_dir():
        app.mount("/", StaticFiles(directory=PAGE, html=True), name="page")
    app.add_middleware(RequestMiddleware)
    # CORS is the outermost middleware, so that a page of an allowed origin can also read errors.
    add_cors(app, settings.cors)
    return app


async def _sweep(service: Service) -> None:
    """Delete expired clustering jobs, again and again."""
    while True:
        await asyncio.sleep(SWEEP)
        await asyncio.to_thread(service.jobs.sweep)
