"""A service with the small test model, called in process or through a local port."""

import threading
import time
from contextlib import contextmanager

import pytest

pytest.importorskip("fastapi", reason="the service needs the extra 'serve'")

import uvicorn
from starlette.testclient import TestClient

from facespace.server.app import create_app
from facespace.server.settings import Settings
from facespace.space import load


@pytest.fixture(scope="session")
def photo(people):
    """Return the bytes of a photo of one of six people: photo("s1/1")."""
    return lambda name: (people / f"{name}.pgm").read_bytes()


@pytest.fixture
def served(model_path, tmp_path):
    """Start a service with some settings and return its client."""
    opened = []

    def start(**settings):
        settings = {"gallery": str(tmp_path / "people.db"), **settings}
        app = create_app(Settings(**settings), load(model_path, provider="cpu", threads=1))
        client = TestClient(app, base_url="http://localhost", raise_server_exceptions=False)
        opened.append(client.__enter__())
        return client

    yield start
    for client in opened:
        client.__exit__(None, None, None)


@pytest.fixture
def client(served):
    return served(keep_pictures=True)


@pytest.fixture(scope="session")
def listening(model_path):
    """Start a service on a port, in a `with` statement that returns its address."""

    @contextmanager
    def start(**settings):
        app = create_app(Settings(**settings), load(model_path, provider="cpu", threads=1))
        server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
        thread = threading.Thread(target=server.run)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        server.should_exit = True
        thread.join()

    return start
