"""Start the service, after checking everything that could keep it from working."""

import os
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path

import uvicorn

from facespace.errors import FacespaceError
from facespace.gallery import Gallery, read_key
from facespace.images import text_of
from facespace.server.keys import KeyFile
from facespace.server.origin import is_loopback
from facespace.server.settings import Settings
from facespace.space import load

# Maximum number of open connections; more are rejected before they are read.
CONNECTIONS = 1000
# Seconds until a new worker must be ready, and within which a worker must answer the supervisor. Workers load a model
# first. With uvicorn's default of 5, a rolling restart (SIGHUP) is given up on a busy machine, and healthy workers are
# killed.
WORKER_TIMEOUT = 60
# Keep-alive, in seconds. It must be longer than that of clients and proxies (httpx 5, nginx 60): a request that is sent
# just as the connection closes gets no response.
IDLE = 75


def serve(
    settings: Settings,
    host: str,
    port: int,
    without_keys: bool = False,
    starting: Callable[[], None] = lambda: None,
) -> None:
    """Run a service until SIGTERM or Ctrl-C. Accepted requests are answered before it stops.

    Parameters
    ----------
    settings : Settings
    host : str
        Address to listen on.
    port : int
    without_keys : bool
        Allow every request without an API key, also from other machines.
    starting : callable
        Called when all checks have passed, before the service starts to listen.

    Raises
    ------
    FacespaceError
        The service would be reachable from other machines without keys, the key file has no key, the model or the
        gallery cannot be used, or the address is not available.
    """
    if settings.keys is None and not is_loopback(host) and not without_keys:
        raise FacespaceError(
            f"without API keys, anyone who can reach {host}:{port} could read and change everything served; create "
            "keys (facespace keys add NAME --keys FILE) and use --keys FILE, or listen on 127.0.0.1, or use "
            "--without-keys"
        )
    if settings.keys is not None and not KeyFile(settings.keys).keys():
        raise FacespaceError(
            f"there is no key in {settings.keys}, so every request would be rejected; create one with: "
            f"facespace keys add NAME --keys {settings.keys}"
        )
    # Load the model before any worker starts, so that an error is reported once.
    space = load(settings.model, provider=settings.provider, threads=1, detector=settings.detector)
    space.card.require_decisions()
    if settings.jobs is not None:
        _check_folder(settings.jobs)
    _check_address(host, port)
    # Last, because it creates a gallery that does not exist yet.
    if settings.gallery:
        Gallery(settings.gallery, space, read_key(settings.gallery_key)).close()
    starting()
    settings = settings.model_copy(update={"loopback": settings.keys is None and is_loopback(host)})
    with tempfile.TemporaryDirectory(prefix="facespace-serve-") as shared:
        if settings.workers > 1:
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = shared
            if settings.jobs is None:
                settings = settings.model_copy(update={"jobs": os.path.join(shared, "jobs")})  # noqa: PTH118
        settings.to_environment()
        uvicorn.run(
            "facespace.server.app:create_app",
            factory=True,
            host=host,
            port=port,
            workers=settings.workers,
            log_config=LOGGING,
            access_log=False,
            server_header=False,
            limit_concurrency=CONNECTIONS,
            timeout_keep_alive=IDLE,
            timeout_worker_healthcheck=WORKER_TIMEOUT,
            # After the longest request timeout, no accepted request is open any more.
            timeout_graceful_shutdown=int(settings.timeout) + 5,
        )


def _check_folder(folder: Path) -> None:
    """Raise FacespaceError if the folder cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise FacespaceError(
            f"cannot write clustering jobs to {text_of(folder)}: {error.strerror or error}; choose another --jobs"
        ) from None


def _check_address(host: str, port: int) -> None:
    """Raise FacespaceError if the address is invalid or already in use."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as tried:
            # As uvicorn does, so that a recently closed connection does not block the address.
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind(address)
    except OSError as error:
        raise FacespaceError(
            f"cannot listen on {host}:{port}: {error.strerror or error}; choose another --port or --host"
        ) from None


LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "loggers": {
        "facespace.service": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
        "uvicorn": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
    },
}
