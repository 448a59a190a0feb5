"""Routes for the model: its card and the curves derived from it."""

from typing import Annotated, Any

import numpy as np
from fastapi import FastAPI, Path, Request

from facespace import __version__
from facespace.gallery import FPIR
from facespace.model import Card
from facespace.schemas import (
    Distribution,
    Limits,
    ModelAnswer,
    ModelList,
    ModelSummary,
    ProbabilityPoint,
    RocPoint,
    ServiceAnswer,
)
from facespace.server.keys import Scope
from facespace.server.problems import ProblemError
from facespace.server.routes import Rule, route
from facespace.server.service import caller_of, service_of
from facespace.space import Space

READ = Rule(Scope.VERIFY)


def add_models(app: FastAPI) -> None:
    """Declare the routes for the model and for the capabilities of the service."""

    @route(app, "GET", "/v1/service", ServiceAnswer, READ, tags=["service"])
    async def service(request: Request) -> ServiceAnswer:
        """Describe the service: version, model, limits, and what the caller is allowed to do."""
        service, caller = service_of(request), caller_of(request)
        settings, card = service.settings, service.space.card
        decisions = card.require_decisions()
        return ServiceAnswer(
            version=__version__,
            model=service.space.id,
            model_name=card.name,
            keys=settings.keys is not None,
            key=caller.name,
            scopes=sorted(scope.value for scope in caller.scopes),
            gallery=service.gallery is not None,
            keeps_pictures=settings.keep_pictures,
            clustering=True,
            fpir=FPIR,
            fars=[entry.far for entry in decisions.thresholds],
            default_far=decisions.default_far,
            limits=Limits(
                photo_bytes=settings.photo_bytes,
                request_bytes=settings.request_bytes,
                cluster_bytes=settings.cluster_bytes,
                pixels=settings.pixels,
                faces=settings.faces,
                photos=settings.photos,
                seconds=settings.timeout,
            ),
        )

    @route(app, "GET", "/v1/models", ModelList, READ, tags=["models"])
    async def models(request: Request) -> ModelList:
        """List the models of this service."""
        return ModelList(models=[ModelSummary(**_summary(service_of(request).space.card))])

    @route(app, "GET", "/v1/models/{space}", ModelAnswer, READ, ("not-found",), tags=["models"])
    async def model(
        request: Request,
        space: Annotated[str, Path(description="Id of the space, or `default`.", max_length=64)],
    ) -> ModelAnswer:
        """Return the card of a model and the curves derived from it."""
        own = service_of(request).space
        if space not in (own.id, "default"):
            raise ProblemError("not-found", "this service has no such model; GET /v1/models lists its models")
        return ModelAnswer(
            **_summary(own.card),
            card=own.card.model_dump(mode="json"),
            probability=_curve(own),
            distribution=_distribution(own.card),
            roc=_roc(own.card),
        )


def _summary(card: Card) -> dict[str, Any]:
    return {
        "space": card.space_id,
        "name": card.name,
        "version": card.version,
        "dimension": card.dimension,
        "licence": card.licence,
        "data_terms": card.data_terms,
    }


def _distribution(card: Card) -> Distribution | None:
    kept = card.require_decisions().distances
    if kept is None:
        return None
    edges = [kept.step * place for place in range(len(kept.genuine) + 1)]
    return Distribution(edges=edges, genuine=list(kept.genuine), impostor=list(kept.impostor))


def _roc(card: Card) -> list[RocPoint]:
    """Return the ROC curve at the edges of the histogram bins, where it is exact."""
    distribution = _distribution(card)
    if distribution is None:
        return []
    val, far = (np.minimum(np.cumsum([0.0, *shares]), 1.0) for shares in (distribution.genuine, distribution.impostor))
    return [
        RocPoint(threshold=edge, far=float(f), val=float(v))
        for edge, f, v in zip(distribution.edges, far, val, strict=True)
    ]


def _curve(space: Space) -> list[ProbabilityPoint]:
    """Return probability by distance, sampled densely between 99.9 % and 0.1 %."""
    calibration = space.card.calibration()
    odds = np.linspace(7, -7, 57)
    distances = (odds - calibration.intercept) / calibration.slope
    distances = np.unique(np.clip(np.concatenate([[0.0], distances, [4.0]]), 0, 4))
    return [
        ProbabilityPoint(distance=float(d), probability=float(p))
        for d, p in zip(distances, space.probability(distances), strict=True)
    ]
