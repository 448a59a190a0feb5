"""CORS: an allow-list of origins whose pages can use the service, empty by default."""

from collections.abc import Sequence
from urllib.parse import urlsplit

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from facespace.errors import FacespaceError

METHODS = ("GET", "POST", "PATCH", "DELETE")
SENT = ("Authorization", "Content-Type", "Prefer")
READ = ("Retry-After", "X-Request-Id")

# Seconds for which browsers may cache a preflight response.
KEPT = 600


def as_origin(text: str) -> str:
    """Normalise an origin to the form that browsers send: scheme, host, and port unless it is the default port.

    Raises
    ------
    FacespaceError
        It is not a single origin, but '*', 'null', a path or a name without a scheme.
    """
    try:
        parts = urlsplit(text.strip().lower())
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    plain = parts.path in ("", "/") and not parts.query and not parts.fragment and "@" not in parts.netloc
    if parts.scheme not in ("http", "https") or not host or "*" in host or not plain:
        raise FacespaceError(
            f"{text[:200]!r} is not an origin; give one such as https://photos.example or http://localhost:3000, "
            "without a path or wildcard, and repeat the option for several"
        )
    host = f"[{host}]" if ":" in host else host
    usual = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{host}" + (f":{port}" if port not in (None, usual) else "")


def add_cors(app: FastAPI, origins: Sequence[str]) -> None:
    """Allow pages of these origins to read responses. Without any, browsers block pages of all other sites.

    Callers authenticate with an API key in a header, not with cookies, so credentials are not allowed.
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
