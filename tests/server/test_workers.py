"""Several workers share one gallery in PostgreSQL."""

import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest

pytest.importorskip("fastapi", reason="the service needs the extra 'serve'")


@contextmanager
def workers(model_path, gallery, count):
    """Start a service from the command line and return its address."""
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
        yield f"http://127.0.0.1:{port}"
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
    with workers(model_path, gallery, 2) as base:
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
