"""A service on a real socket, a real browser and the accessibility checker."""

import contextlib
import io
import os
import shutil
import socket
import subprocess
import tarfile
import threading
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the service needs the extra 'serve'")
pytest.importorskip("playwright.sync_api", reason="the browser tests need playwright: pip install '.[dev]'")

import uvicorn
from PIL import Image
from playwright.sync_api import sync_playwright
from widths import DESKTOP

from facespace.server.app import create_app
from facespace.server.settings import Settings
from facespace.space import load

CHROMIUM = os.environ.get("FACESPACE_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")

# Downloaded when the tests run and cached; it is not part of this project.
AXE = "axe-core@4.14.1"


# Module scope: while Playwright runs, other tests cannot run an event loop.
@pytest.fixture(scope="module")
def browser():
    """A headless Chromium. Skips if there is none."""
    if not CHROMIUM:
        pytest.skip("Chromium is not installed: apt-get install chromium, or set FACESPACE_CHROMIUM")
    with sync_playwright() as driver:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        camera = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
        running = driver.chromium.launch(executable_path=CHROMIUM, args=[*flags, *camera])
        yield running
        running.close()


@pytest.fixture(scope="session")
def serve(model_path):
    """Start a service with some settings and return its address. The default space is that of the small test model."""
    with contextlib.ExitStack() as running:

        def start(space=None, **settings):
            app = create_app(Settings(**settings), space or load(model_path, provider="cpu", threads=1))
            server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="on"))
            listening = socket.create_server(("127.0.0.1", 0))
            thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
            thread.start()

            def stop():
                server.should_exit = True
                thread.join(20)

            running.callback(stop)
            return f"http://127.0.0.1:{listening.getsockname()[1]}"

        yield start


@pytest.fixture(scope="session")
def photo(people, tmp_path_factory):
    """Return the path of a JPEG of one of six people: photo("s1/1")."""
    folder = tmp_path_factory.mktemp("shown")

    def made(name):
        path = folder / f"{name.replace('/', '-')}.jpg"
        if not path.exists():
            Image.open(people / f"{name}.pgm").convert("RGB").save(path, quality=95)
        return path

    return made


@pytest.fixture(scope="session")
def full(serve, photo, tmp_path_factory):
    """The address of a service with three people in its gallery. Tests must not change them."""
    import httpx

    address = serve(gallery=str(tmp_path_factory.mktemp("full") / "people.db"), keep_pictures=True)
    for person, name in (("s1", "Ada"), ("s2", "Jürgen Groß"), ("s3", "王芳")):
        photos = [("photos", (f"the-long-name-of-photo-{n}.jpg", photo(f"{person}/{n}").read_bytes())) for n in (1, 2)]
        httpx.post(f"{address}/v1/people", data={"name": name, "keep": "true"}, files=photos).raise_for_status()
    return address


class Watched:
    """A page that records its errors and its requests to other hosts."""

    def __init__(self, page, address):
        self.page, self.address = page, address
        self.faults, self.foreign = [], []
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("console", lambda message: self.faults.append(message.text) if self._is_fault(message) else None)
        page.on("request", lambda asked: None if self._own(asked.url) else self.foreign.append(asked.url))

    def open(self, view):
        self.page.goto(f"{self.address}/#/{view}")
        self.page.wait_for_selector("main h1")

    def _own(self, url):
        return url.startswith((self.address, "blob:", "data:"))

    @staticmethod
    def _is_fault(message):
        # Browsers log each failed request; the page must report these itself.
        return message.type == "error" and "Failed to load resource" not in message.text


@pytest.fixture
def visit(browser):
    """Open a page of a service: visit(address, "people", size=PHONE, scheme="dark"). Errors fail the test."""
    with contextlib.ExitStack() as opened:
        visited = []

        def go(address, view="compare", size=DESKTOP, scheme="light"):
            context = browser.new_context(viewport=size, color_scheme=scheme, reduced_motion="reduce")
            opened.callback(context.close)
            context.set_default_timeout(30_000)
            watched = Watched(context.new_page(), address)
            visited.append(watched)
            watched.open(view)
            return watched.page

        yield go
        for watched in visited:
            assert watched.faults == []
            assert watched.foreign == []


@pytest.fixture(scope="session")
def axe():
    """The source of axe-core, from a cache or from npm. Skips if neither has it."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "facespace-tests"
    kept = folder / f"{AXE}.js"
    if not kept.exists():
        if not shutil.which("npm"):
            pytest.skip(f"{AXE} needs npm, which is not installed")
        folder.mkdir(parents=True, exist_ok=True)
        fetched = subprocess.run(
            ["npm", "pack", "--silent", AXE], cwd=folder, capture_output=True, text=True, timeout=120
        )
        if fetched.returncode:
            pytest.skip(f"npm cannot fetch {AXE}: {fetched.stderr.strip()[-200:]}")
        archive = folder / fetched.stdout.strip().splitlines()[-1]
        with tarfile.open(fileobj=io.BytesIO(archive.read_bytes())) as packed:
            source = packed.extractfile("package/axe.min.js")
            assert source is not None
            kept.write_bytes(source.read())
        archive.unlink()
    return kept.read_text("utf-8")
