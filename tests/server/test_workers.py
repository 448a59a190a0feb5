"""Several workers share one gallery in PostgreSQL."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

pytest.importorskip("fastapi", reason="the service needs the extra 'serve'")


@contextmanager
def workers(model_path, gallery, count):
    """Start a service from the command line; yield its address and its process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["serve", "-m", str(model_path), "-g", gallery, "--workers", str(count), "--port", str(port)]
    process = subprocess.Popen(
        [sys.executable, "-m", "facespace", *words, "--threads", "1", "--keep-pictures"],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + 120
        while time.monotonic() < until:
            try:
                if httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=5).status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}", process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    assert process.returncode == 0


def at_work(gallery):
    """Return the number of other connections to the database."""
    import psycopg

    with psycopg.connect(gallery) as asking:
        count = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        return asking.execute(count).fetchone()[0]


def test_a_person_enrolled_through_one_worker_is_known_to_all(model_path, postgres, photo):
    gallery = postgres()
    with workers(model_path, gallery, 2) as (base, _):
        for person in range(1, 5):
            files = [("photos", (f"{i}.pgm", photo(f"s{person}/{i}"))) for i in (1, 2)]
            form = {"name": f"P{person}", "min_quality": "0", "keep": "true"}
            answer = httpx.post(f"{base}/v1/people", data=form, files=files, timeout=60)
            assert answer.status_code in (200, 201), answer.text

        def who(person):
            # Each request has its own connection, which any worker can accept.
            answer = httpx.post(f"{base}/v1/identify", files={"photo": photo(f"s{person}/1")}, timeout=60)
            return answer.json()["faces"][0]["candidates"][0]["name"]

        asked = [1 + i % 4 for i in range(24)]
        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(who, asked)) == [f"P{person}" for person in asked]
        assert at_work(gallery) >= 2
        httpx.delete(f"{base}/v1/people/1", timeout=60).raise_for_status()
        with ThreadPoolExecutor(8) as pool:
            assert "P1" not in pool.map(who, [1] * 12)
    assert at_work(gallery) == 0


def serving(process):
    """The worker processes of a service, without Python's process that tracks shared memory."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return {int(pid) for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()}


class Callers:
    """Callers that enrol new people and ask who is on photos, again where no answer came, until they are stopped."""

    def __init__(self, base, photo):
        self._base, self._photo = base, photo
        self.enrolled, self.wrong, self.unanswered, self.identified = [], [], 0, 0
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._enrol, args=(i,)) for i in range(2)]
        self._threads += [threading.Thread(target=self._identify, args=(i,)) for i in range(2)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error):
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def until(self, enough):
        until = time.monotonic() + 240
        while not enough():
            assert time.monotonic() < until
            time.sleep(0.05)

    def _post(self, path, **content):
        """The answer; the same is asked again where a connection broke or the service says that it is busy."""
        while not self._stop.is_set():
            try:
                # A connection each, so that whichever worker there is takes it.
                answer = httpx.post(f"{self._base}{path}", timeout=120, **content)
            except httpx.TransportError:
                self.unanswered += 1
                continue
            if answer.status_code not in (429, 503):
                return answer
        return None

    def _enrol(self, own):
        number = 0
        while not self._stop.is_set():
            name, number = f"New {own} {number}", number + 1
            files = [("photos", ("a.pgm", self._photo(f"s{5 + own}/{1 + number % 10}")))]
            answer = self._post("/v1/people", data={"name": name, "min_quality": "0"}, files=files)
            if answer is not None and answer.status_code in (200, 201):
                self.enrolled.append(name)
            elif answer is not None:
                self.wrong.append(answer.text)

    def _identify(self, own):
        while not self._stop.is_set():
            person = 1 + (own + self.identified) % 4
            answer = self._post("/v1/identify", files={"photo": self._photo(f"s{person}/1")})
            if answer is None:
                continue
            names = [c["name"] for c in answer.json()["faces"][0]["candidates"]] if answer.is_success else []
            self.identified += 1
            if f"P{person}" not in names[:1]:
                self.wrong.append(answer.text)


def test_a_killed_worker_and_a_rolling_restart_under_load_lose_nothing(model_path, postgres, photo):
    gallery = postgres()
    with workers(model_path, gallery, 2) as (base, process):
        for person in range(1, 5):
            files = [("photos", (f"{i}.pgm", photo(f"s{person}/{i}"))) for i in (1, 2)]
            form = {"name": f"P{person}", "min_quality": "0"}
            httpx.post(f"{base}/v1/people", data=form, files=files, timeout=60).raise_for_status()
        with Callers(base, photo) as callers:
            callers.until(lambda: len(callers.enrolled) >= 3 and callers.identified >= 3)
            first = serving(process)
            # In the middle of whatever it is doing.
            os.kill(min(first), signal.SIGKILL)
            callers.until(lambda: len(serving(process) - first) == 1)
            seen = len(callers.enrolled), callers.identified
            callers.until(lambda: len(callers.enrolled) >= seen[0] + 3 and callers.identified >= seen[1] + 3)
            before = serving(process)
            process.send_signal(signal.SIGHUP)
            callers.until(lambda: not serving(process) & before and len(serving(process)) == 2)
            seen = len(callers.enrolled), callers.identified
            callers.until(lambda: len(callers.enrolled) >= seen[0] + 3 and callers.identified >= seen[1] + 3)
        assert not callers.wrong
        found = httpx.get(f"{base}/v1/people", params={"limit": 1000}, timeout=60).json()["people"]
        faces = {person["name"]: person["faces"] for person in found}
        assert set(callers.enrolled) <= set(faces)
        # Asked again without an answer to the first time, and enrolled once.
        assert {faces[name] for name in callers.enrolled} == {1}
