"""Middleware that gives each request an id, adds security headers, counts the request and logs it.

The log has no personal data: it contains the declared route, never the path or query that was sent.
"""

import json
import logging
import secrets
import time
import traceback
from datetime import UTC, datetime

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from facespace.server.headers import SAFE
from facespace.server.problems import ProblemError, problem

log = logging.getLogger("facespace.service")


class RequestMiddleware:
    """ASGI middleware for request ids, security headers, metrics and the log."""

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request. An unexpected exception becomes a 500 response and a log entry without any values."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        state["request_id"] = secrets.token_hex(8)
        started, status = time.monotonic(), 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers.update(SAFE)
                headers["X-Request-Id"] = state["request_id"]
                # Responses of the API are personal data and must not be cached. Files of the page are revalidated.
                headers.setdefault("Cache-Control", "no-store" if scope["path"].startswith("/v1/") else "no-cache")
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except Exception as error:
            # Log only where the exception was raised: its message may contain personal data.
            frames = traceback.extract_tb(error.__traceback__)[-8:]
            where = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
            _log(logging.ERROR, id=state["request_id"], error=type(error).__name__, where=where)
            if status == 0:
                internal = ProblemError("internal", "unexpected error; see the log of the service for this request id")
                await problem(Request(scope), internal)(scope, receive, sending)
        finally:
            _count(scope, status, time.monotonic() - started)


def _count(scope: Scope, status: int, seconds: float) -> None:
    state = scope["state"]
    # Static files of the page have no route.
    route = getattr(scope.get("route"), "path_format", None) or "page"
    kind = state.get("problem")
    service = getattr(scope["app"].state, "service", None)
    if service is not None:
        service.metrics.requests.labels(route, scope["method"], status).inc()
        service.metrics.seconds.labels(route).observe(seconds)
        if kind:
            service.metrics.problems.labels(kind).inc()
    caller = state.get("caller")
    _log(
        logging.INFO,
        id=state["request_id"],
        method=scope["method"],
        route=route,
        status=status,
        ms=round(1000 * seconds, 1),
        key=caller.name if caller else None,
        problem=kind,
    )


def _log(level: int, **fields: object) -> None:
    if log.isEnabledFor(level):
        entry = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), **fields}
        log.log(level, "%s", json.dumps({name: value for name, value in entry.items() if value is not None}))
