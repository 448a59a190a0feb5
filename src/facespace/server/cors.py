"""Which other sites' pages may use a service: an allow-list of origins, empty unless somebody fills it."""

from collections.abc import Sequence
from urllib.parse import urlsplit

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from facespace.errors import FacespaceError

METHODS = ("GET", "POST", "PATCH", "DELETE")
SENT = ("Authorization", "Content-Type", "Prefer")
READ = ("Retry-After", "X-Request-Id")

# Seconds that a browser may keep the answer to its preflight request.
KEPT = 600


def as_origin(text: str) -> str:
    """An origin as browsers send it: scheme, host, and port where it is not the scheme's own.

    Raises
    ------
    FacespaceError
        It is no single origin: '*', 'null', a path, a name without a scheme.
    """
    try:
        parts = urlsplit(text.strip().lower())
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    plain = parts.path in ("", "/") and not parts.query and not parts.fragment and "@" not in parts.netloc
    if parts.scheme not in ("http", "https") or not host or "*" in host or not plain:
        raise FacespaceError(
            f"{text[:200]!r} is no origin to allow; give one as in https://photos.example or http://localhost:3000, "
            "without a path, and each of several by itself: there is no wildcard"
        )
    host = f"[{host}]" if ":" in host else host
    usual = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{host}" + (f":{port}" if port not in (None, usual) else "")


def add_cors(app: FastAPI, origins: Sequence[str]) -> None:
    """Let pages of these origins read the answers; without any, browsers keep them from every other site's page.

    Credentials are keys in a header that the page must know; cookies play no part, so none are allowed.
    """
    if origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(origins),
            allow_methods=list(METHODS),
            allow_headers=list(SENT),
            expose_headers=list(READ),
            max_age=KEPT,
        )
