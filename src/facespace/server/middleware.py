"""Every request is named, counted and logged; nothing in the log tells of a photo, a point or a person.

What is logged is the route as it was declared, never the path or query as they were sent.
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
from facespace.server.problems import Refusal, problem

log = logging.getLogger("facespace.service")


class Watch:
    """Stands before everything else."""

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; a fault becomes an answer, and an entry of the log without the values at hand."""
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
                # Answers are of people: no cache on the way keeps them. The page is asked for anew each time.
                headers.setdefault("Cache-Control", "no-store" if scope["path"].startswith("/v1/") else "no-cache")
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except Exception as error:
            # The message of an error may hold what was being worked on; where it arose does not.
            frames = traceback.extract_tb(error.__traceback__)[-8:]
            where = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
            _say(logging.ERROR, id=state["request_id"], fault=type(error).__name__, where=where)
            if status == 0:
                refusal = Refusal("internal", "the fault is in the service's log, under the name of this request")
                await problem(Request(scope), refusal)(scope, receive, sending)
        finally:
            _count(scope, status, time.monotonic() - started)


def _count(scope: Scope, status: int, seconds: float) -> None:
    state = scope["state"]
    # The page's files have no route of their own.
    route = getattr(scope.get("route"), "path_format", None) or "page"
    kind = state.get("problem")
    service = getattr(scope["app"].state, "service", None)
    if service is not None:
        service.metrics.requests.labels(route, scope["method"], status).inc()
        service.metrics.seconds.labels(route).observe(seconds)
        if kind:
            service.metrics.problems.labels(kind).inc()
    caller = state.get("caller")
    _say(
        logging.INFO,
        id=state["request_id"],
        method=scope["method"],
        route=route,
        status=status,
        ms=round(1000 * seconds, 1),
        key=caller.name if caller else None,
        problem=kind,
    )


def _say(level: int, **fields: object) -> None:
    if log.isEnabledFor(level):
        told = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), **fields}
        log.log(level, "%s", json.dumps({name: value for name, value in told.items() if value is not None}))
