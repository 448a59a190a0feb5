"""Errors as RFC 9457 problem details (application/problem+json)."""

import logging
import math
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from facespace.errors import (
    AlbumError,
    EmbeddingError,
    FacespaceError,
    GalleryError,
    ImageError,
    ModelError,
    NoFaceError,
    SeveralFacesError,
    UnknownPersonError,
)
from facespace.schemas import InvalidField, Problem

log = logging.getLogger("facespace.service")

# The HTTP status and title of each kind of problem.
KINDS: dict[str, tuple[int, str]] = {
    "bad-request": (400, "Bad request"),
    "no-key": (401, "API key required"),
    "scope": (403, "Insufficient scope"),
    "cross-site": (403, "Cross-site request rejected"),
    "not-found": (404, "Not found"),
    "method": (405, "Method not allowed"),
    "slow": (408, "Request timeout"),
    "conflict": (409, "Conflict"),
    "too-large": (413, "Payload too large"),
    "media-type": (415, "Unsupported media type"),
    "invalid": (422, "Invalid field"),
    "image": (422, "Unusable photo"),
    "no-face": (422, "No face in the photo"),
    "several-faces": (422, "Several faces in the photo"),
    "low-quality": (422, "Face quality too low"),
    "doubtful": (409, "The photos look like somebody else"),
    "not-enrolled": (422, "No photo could be enrolled"),
    "rate": (429, "Rate limit exceeded"),
    "busy": (429, "Queue full"),
    "internal": (500, "Internal server error"),
    "deadline": (503, "Request timed out"),
    "unavailable": (503, "Database unavailable"),
}


class ProblemError(Exception):
    """An error response; `kind` is one of `KINDS`."""

    def __init__(
        self, kind: str, detail: str, retry_after: float | None = None, errors: list[InvalidField] | None = None
    ):
        super().__init__(detail)
        self.kind, self.detail, self.retry_after, self.errors = kind, detail, retry_after, errors or []


def add_problems(app: FastAPI) -> None:
    """Report every error of an app as a problem."""
    app.add_exception_handler(ProblemError, _problem_error)
    app.add_exception_handler(FacespaceError, _facespace)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)


def problem(request: Request, error: ProblemError) -> Response:
    """Return the response for an error."""
    status, title = KINDS[error.kind]
    headers: dict[str, str] = {}
    if error.retry_after is not None:
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after)))
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    body = Problem(
        type=f"urn:facespace:{error.kind}",
        title=title,
        status=status,
        detail=error.detail,
        instance=f"urn:facespace:request:{getattr(request.state, 'request_id', '-')}",
        errors=error.errors,
    )
    request.state.problem = error.kind
    return JSONResponse(
        body.model_dump(mode="json"), status_code=status, headers=headers, media_type="application/problem+json"
    )


def described(*kinds: str) -> dict[int | str, dict[str, object]]:
    """Return the OpenAPI responses for these kinds of problems."""
    found: dict[int | str, dict[str, object]] = {}
    for kind in kinds:
        status, title = KINDS[kind]
        entry = found.setdefault(
            status,
            {
                "description": "",
                "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
            },
        )
        entry["description"] = f"{entry['description']}; {kind}: {title}".removeprefix("; ")
        if status in (429, 503):
            entry["headers"] = {
                "Retry-After": {"description": "Seconds to wait before the next try.", "schema": {"type": "integer"}}
            }
    return found


def invalid_fields(found: Sequence[Any], where: str = "") -> ProblemError:
    """Return the error for fields that failed validation in `where`, such as 'body', without their values."""
    errors = [
        InvalidField(
            field=".".join(str(part) for part in (*filter(None, [where]), *entry["loc"])),
            message=str(entry["msg"]).removeprefix("Value error, ")[:500],
        )
        for entry in found[:20]
    ]
    return ProblemError("invalid", "; ".join(f"{entry.field}: {entry.message}" for entry in errors[:3]), errors=errors)


async def _problem_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)
    return problem(request, error)


async def _facespace(request: Request, error: Exception) -> Response:
    return problem(request, _kind_of(error))


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return problem(request, invalid_fields(error.errors()))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    kind = {404: "not-found", 405: "method", 408: "slow", 413: "too-large", 415: "media-type"}.get(error.status_code)
    kind = kind or ("internal" if error.status_code >= 500 else "bad-request")
    answer = problem(request, ProblemError(kind, str(error.detail)))
    for name, value in (error.headers or {}).items():
        answer.headers[name] = value
    return answer


def _kind_of(error: Exception) -> ProblemError:
    kinds: Mapping[type[Exception], str] = {
        NoFaceError: "no-face",
        SeveralFacesError: "several-faces",
        ImageError: "image",
        UnknownPersonError: "not-found",
        GalleryError: "conflict",
        AlbumError: "conflict",
        ModelError: "invalid",
        EmbeddingError: "invalid",
    }
    # If the cause is a database error, the caller cannot fix it.
    cause = error.__context__
    if isinstance(cause, sqlite3.Error | OSError) or type(cause).__module__.startswith("psycopg"):
        # DETAIL may quote rows, which can contain names.
        log.error("unavailable: %s", str(error).split("DETAIL")[0])
        return ProblemError("unavailable", "the database is temporarily unavailable; see the log of the service", 5)
    kind = next((kind for error_class, kind in kinds.items() if isinstance(error, error_class)), "conflict")
    return ProblemError(kind, str(error))
