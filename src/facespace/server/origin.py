"""No page of another site may use a service through its visitor's browser."""

from urllib.parse import urlsplit

from fastapi import Request

from facespace.server.problems import Refusal

# Names of this machine; another name that leads here was pointed at it by somebody else (DNS rebinding).
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens there."""
    return host in LOOPBACK or host.startswith("127.")


def check_origin(request: Request, keys: bool) -> None:
    """Refuse what another site's page sends, unless its origin is allowed (setting `cors`).

    Where no keys are used, what came by another name than loopback is refused too.

    A browser says in `Origin`, or in `Sec-Fetch-Site`, which page a request comes from; other programs say neither.
    """
    host = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
    origin = request.headers.get("origin")
    settings = request.app.state.service.settings
    elsewhere = origin is not None and (urlsplit(origin).netloc or origin) != request.headers.get("host")
    foreign = elsewhere or request.headers.get("sec-fetch-site") in ("cross-site", "same-site")
    if foreign and origin not in settings.cors:
        raise Refusal("cross-site", "the request comes from another site's page, which may not use this service")
    # Where the service was opened to others without keys, it was told so explicitly and has no name of its own.
    if not keys and settings.loopback and not is_loopback(host):
        raise Refusal("cross-site", f"this service answers as localhost only, not as {host[:100]!r}")
