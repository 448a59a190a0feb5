"""Protection against cross-site requests and DNS rebinding."""

from urllib.parse import urlsplit

from fastapi import Request

from facespace.server.problems import ProblemError

# Names of this machine. Any other name that resolves to it may be a DNS rebinding attack.
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def is_loopback(host: str) -> bool:
    """Return whether a host is a loopback address, reachable from this machine only."""
    return host in LOOPBACK or host.startswith("127.")


def check_origin(request: Request, keys: bool) -> None:
    """Reject a request from a page of another site, unless its origin is allowed (setting `cors`).

    A service without keys also rejects requests to a host name other than loopback.

    Browsers send the origin of the page in `Origin` or `Sec-Fetch-Site`; other programs send neither.
    """
    host = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
    origin = request.headers.get("origin")
    settings = request.app.state.service.settings
    elsewhere = origin is not None and (urlsplit(origin).netloc or origin) != request.headers.get("host")
    foreign = elsewhere or request.headers.get("sec-fetch-site") in ("cross-site", "same-site")
    if foreign and origin not in settings.cors:
        raise ProblemError(
            "cross-site",
            "cross-site request rejected: allow the origin of the page with --cors to use this service from it",
        )
    # With --without-keys the service is deliberately open, and its host name is not known.
    if not keys and settings.loopback and not is_loopback(host):
        raise ProblemError("cross-site", f"this service only accepts requests to localhost, not to {host[:100]!r}")
