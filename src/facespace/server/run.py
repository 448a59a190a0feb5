"""Starting a service: what must be so before anybody can reach it."""

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

# Connections at once, whatever they do: more are refused before anything of them is read.
CONNECTIONS = 1000
# Seconds within which a new worker must serve, and a worker give a sign of life: a model is read first, and the machine
# may be busy. With uvicorn's five, a rolling restart (SIGHUP) gives up, and a slow machine loses workers that work.
SIGN_OF_LIFE = 60
# Seconds that an idle connection stays open: longer than clients and proxies keep one (httpx 5, nginx 60), for who
# sends a request just as it is closed gets no answer.
IDLE = 75


def serve(
    settings: Settings,
    host: str,
    port: int,
    without_keys: bool = False,
    starting: Callable[[], None] = lambda: None,
) -> None:
    """Run a service until it is told to stop (SIGTERM, Ctrl-C); what was accepted is answered first.

    Parameters
    ----------
    settings : Settings
    host : str
        Where to listen.
    port : int
    without_keys : bool
        Let everybody who reaches it do everything, beyond this machine too.
    starting : callable
        Called when nothing that can be known beforehand keeps the service from answering.

    Raises
    ------
    FacespaceError
        It would listen beyond this machine without keys, there is no key in the file, the model or the gallery cannot
        be used, or the address cannot be listened on.
    """
    if settings.keys is None and not is_loopback(host) and not without_keys:
        raise FacespaceError(
            f"without API keys, everybody who reaches {host}:{port} could read and change all that is served; make "
            "keys (facespace keys add NAME --keys FILE) and give --keys FILE, or listen on 127.0.0.1, or say "
            "--without-keys"
        )
    if settings.keys is not None and not KeyFile(settings.keys).keys():
        raise FacespaceError(
            f"there is no key in {settings.keys}, so nobody could ask anything; make one: "
            f"facespace keys add NAME --keys {settings.keys}"
        )
    # Before any worker is started: what is wrong with the model is said once, and here.
    space = load(settings.model, provider=settings.provider, threads=1, detector=settings.detector)
    space.card.require_decisions()
    if settings.jobs is not None:
        _check_folder(settings.jobs)
    _check_address(host, port)
    # Last, as it makes a gallery that is not there yet.
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
            timeout_worker_healthcheck=SIGN_OF_LIFE,
            # Past the longest deadline nothing that was accepted is open any more.
            timeout_graceful_shutdown=int(settings.seconds) + 5,
        )


def _check_folder(folder: Path) -> None:
    """FacespaceError where clusterings cannot be kept."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise FacespaceError(
            f"cannot keep clusterings in {text_of(folder)}: {error.strerror or error}; name another folder with --jobs"
        ) from None


def _check_address(host: str, port: int) -> None:
    """FacespaceError where nobody can listen there, or somebody does already."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as tried:
            # As uvicorn does: a connection that was closed just now keeps nobody out.
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
