"""Declaration of routes: required scope, request body, possible errors, and the checks before the body is read."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from fastapi import FastAPI, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel

from facespace.server.body import JSON_BYTES, bounded
from facespace.server.keys import Scope
from facespace.server.openapi import SCHEME
from facespace.server.problems import ProblemError, described
from facespace.server.service import Service
from facespace.server.uploads import UploadSpec

Handler = TypeVar("Handler", bound=Callable[..., Coroutine[Any, Any, Any]])


@dataclass(frozen=True)
class Rule:
    """What a route requires of a request before its body is read.

    scope : the scope that the API key must have; None if no key is needed
    heavy : whether it processes photos, and so waits in the queue for photos
    gallery : whether the service must have a gallery
    """

    scope: Scope | None
    heavy: bool = False
    gallery: bool = False


def route(
    app: FastAPI,
    method: str,
    path: str,
    answer: type[BaseModel] | None,
    rule: Rule,
    problems: tuple[str, ...] = (),
    body: UploadSpec | None = None,
    status: int = 200,
    **more: Any,
) -> Callable[[Handler], Handler]:
    """Declare a route. `answer` is its response model, `body` its uploads, `problems` its additional errors."""

    def declare(handler: Handler) -> Handler:
        handler.__rule__ = rule  # type: ignore[attr-defined]
        handler.__uploads__ = body is not None  # type: ignore[attr-defined]
        usual = ["invalid"]
        if rule.scope is not None:
            usual += ["no-key", "scope", "cross-site", "rate", "busy", "deadline"]
        if method != "GET" and rule.scope is not None:
            usual += ["too-large", "slow"]
        if body is not None:
            usual += ["media-type", "image"]
        if rule.gallery:
            usual += ["not-found", "conflict", "unavailable"]
        extra: dict[str, Any] = {}
        if rule.scope is not None:
            extra["security"] = [{SCHEME: [rule.scope.value]}]
        if body is not None:
            extra["requestBody"] = body.described()
        app.add_api_route(
            path,
            handler,
            methods=[method],
            response_model=answer,
            status_code=status,
            responses=described(*dict.fromkeys([*usual, *problems])),
            openapi_extra=extra,
            **more,
        )
        return handler

    return declare


class CheckedRoute(APIRoute):
    """A route that checks the API key and takes a place in a queue before the body is read."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler, wrapped in these checks."""
        handler = super().get_route_handler()
        rule: Rule = getattr(self.endpoint, "__rule__", Rule(None))
        uploads: bool = getattr(self.endpoint, "__uploads__", False)

        async def guarded(request: Request) -> Response:
            if rule.scope is None:
                return await handler(request)
            service: Service = request.app.state.service
            request.state.caller = caller = service.admit(request, rule.scope)
            if rule.gallery and service.gallery is None:
                raise ProblemError("not-found", "this service was started without a gallery")
            queue = service.photo_queue if rule.heavy else service.database_queue
            with caller.acting(), queue.place(service.seconds_for(request)):
                # `read_form` applies the limits of uploads.
                return await handler(request if uploads else bounded(request, JSON_BYTES))

        return guarded
