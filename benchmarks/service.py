"""Measure the gain of batching faces across requests, and the behaviour under four times too many requests.

In one run, on photos of LFW (250 x 250 pixels) with a model (by default the shipped one) and a gallery of synthetic
faces around that model's embeddings (benchmarks/synthetic.py):

1. `clients` concurrent clients send requests without pauses to the same service with batching (without waiting, and
   after waiting 5 ms for more faces) and without, alternating. Reports requests per second, p50 and p99 of verify and
   identify. Ratios are medians over the rounds.
2. Four times as many requests, at random times (Poisson), independent of the answers. Reports the result of each, the
   p99 of the accepted ones, and the service's memory.

    python benchmarks/service.py [--model MODEL] [--people 100000] [--seconds 15] [--rounds 3]
"""

import argparse
import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from facespace.gallery import NewFace, open_store
from facespace.space import load
from synthetic import DATA, SyntheticFaces, faces_by

PHOTOS = 64
# Requests in progress when the service is stopped.
STOPPED = 40
STARTED = "import sys; from facespace.server.run import serve; from facespace.server.settings import Settings"


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--model", help="a file, or the name of a shipped model; the default model if not given")
    words.add_argument("--people", type=int, default=100_000)
    words.add_argument("--seconds", type=float, default=15)
    words.add_argument("--rounds", type=int, default=3)
    words.add_argument("--clients", type=int, default=8)
    words.add_argument("--detector", help="aligned-128 skips detection, so that the network is most of the work")
    words.add_argument("--gallery", help="gallery from an earlier run; created if it does not exist")
    given = words.parse_args()
    photos = some_photos()
    with tempfile.TemporaryDirectory() as folder:
        gallery = Path(given.gallery or f"{folder}/people.db")
        if not gallery.exists():
            fill(gallery, given.model, given.people)
        closed(given, gallery, photos)


def fill(gallery: Path, model: str | None, people: int) -> None:
    """Create a gallery of synthetic people with one face each, like embeddings of the model."""
    space, made, rng = load(model), SyntheticFaces(*faces_by(model)), np.random.default_rng(0)
    store = open_store(gallery, space.id, space.dimension)
    for start in range(0, people, 10_000):
        faces = made.faces(made.people(min(10_000, people - start), rng), rng)
        store.add_all(
            (f"P{start + i}", [NewFace("synthetic", (0, 0, 1, 1), point)], None) for i, point in enumerate(faces)
        )
    store.close()


def closed(given: argparse.Namespace, gallery: Path, photos: list[bytes]) -> None:
    rates: dict[tuple[str, str], list[tuple[float, float, float]]] = {}
    kinds: dict[str, dict[str, object]] = {
        "no wait": {"batch_wait": 0},
        "5 ms": {"batch_wait": 0.005},
        "unbatched": {"batching": False},
    }
    if given.detector:
        kinds = {kind: {**settings, "detector": given.detector} for kind, settings in kinds.items()}
    for _ in range(given.rounds):
        for kind, settings in kinds.items():
            with service(given.model, gallery, **settings) as (base, _):
                for what in ("verify", "identify"):
                    asyncio.run(ask(base, what, photos, given.clients, 3))
                    took = asyncio.run(ask(base, what, photos, given.clients, given.seconds))
                    measured = (len(took) / given.seconds, *np.percentile(took, [50, 99]))
                    rates.setdefault((what, kind), []).append(measured)
    print(f"{given.clients} clients, {given.people:,} people, medians of {given.rounds} alternating rounds")
    print(f"{'':10}{'':20}{'requests/s':>11}{'p50 ms':>9}{'p99 ms':>9}")
    best: dict[str, float] = {}
    for (what, kind), measured in rates.items():
        rate, p50, p99 = np.median(measured, axis=0)
        best[what] = max(best.get(what, 0), rate)
        print(f"{what:10}{kind:20}{rate:11.1f}{1000 * p50:9.0f}{1000 * p99:9.0f}")
    for what in ("verify", "identify"):
        for kind in ("no wait", "5 ms"):
            ratio = np.median(np.divide(rates[what, kind], rates[what, "unbatched"]), axis=0)
            print(f"{what:10}{kind + ' ratio':20}{ratio[0]:11.2f}{ratio[1]:9.2f}{ratio[2]:9.2f}")
    if not given.detector:
        overload(given, gallery, photos, 4 * best["identify"])


def overload(given: argparse.Namespace, gallery: Path, photos: list[bytes], rate: float) -> None:
    with service(given.model, gallery) as (base, process):
        asyncio.run(ask(base, "identify", photos, given.clients, 3))
        before = resident(process.pid)
        counts, took, most = asyncio.run(flood(base, photos, rate, 2 * given.seconds, process.pid))
        after = resident(process.pid)
        sent = sum(counts.values())
        print(f"\noverload: identify at {rate:.0f} requests/s for {2 * given.seconds:.0f} s, {sent} sent")
        print(f"  {4 * sent / (2 * given.seconds * rate):.1f} times the capacity measured above")
        for outcome, count in sorted(counts.items()):
            print(f"  {outcome:24}{count:7}")
        print(f"  accepted: p50 {1000 * np.median(took):.0f} ms, p99 {1000 * np.percentile(took, 99):.0f} ms")
        print(f"  memory: {before:.0f} MB before, {most:.0f} MB peak, {after:.0f} MB after")
        print(f"  ready afterwards: {httpx.get(f'{base}/readyz').status_code == 200}")
        # A service that is stopped must answer all accepted requests.
        stopped, count = asyncio.run(stop_meanwhile(base, photos, process))
        print(f"  stopped with {count} requests running or queued: {dict(stopped)}")


@contextmanager
def service(model: str | None, gallery: Path | str, **more: object) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Start a service in a separate process, on a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = json.dumps({"model": model, "gallery": str(gallery), "threads": 1, **more})
    code = f"{STARTED}; serve(Settings.model_validate_json(sys.argv[1]), '127.0.0.1', {port})"
    process = subprocess.Popen(
        [sys.executable, "-c", code, settings],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stderr=subprocess.DEVNULL,
    )
    base = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                if httpx.get(f"{base}/readyz", timeout=5).status_code == 200:
                    break
            except httpx.TransportError:
                pass
            time.sleep(0.2)
        yield base, process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def some_photos() -> list[bytes]:
    """Return photos of LFW, mostly of different people."""
    with zipfile.ZipFile(DATA / "lfw.zip") as archive:
        names = [name for name in archive.namelist() if name.endswith(".jpg")][: 8 * PHOTOS : 8]
        return [archive.read(name) for name in names]


def pair_of(photos: list[bytes], number: int) -> tuple[bytes, bytes]:
    return photos[number % len(photos)], photos[(7 * number + 1) % len(photos)]


def files_of(what: str, photos: list[bytes], number: int) -> dict[str, bytes]:
    one, other = pair_of(photos, number)
    return {"a": one, "b": other} if what == "verify" else {"photo": one}


async def ask(base: str, what: str, photos: list[bytes], clients: int, seconds: float) -> list[float]:
    """Return `post` for our service, with one or two photos per request."""
    return await post(f"{base}/v1/{what}", lambda number: files_of(what, photos, number), clients, seconds)


async def post(
    url: str,
    files: Callable[[int], Mapping[str, Any]],
    clients: int,
    seconds: float,
    form: dict[str, str] | None = None,
    timeout: float = 60,
) -> list[float]:
    """Run clients that send requests without pauses; return the time of each answer."""
    took: list[float] = []
    until = time.monotonic() + seconds

    async def caller(client: httpx.AsyncClient, number: int) -> None:
        while time.monotonic() < until:
            started = time.monotonic()
            answer = await client.post(url, files=files(number), data=form)
            assert answer.status_code == 200, answer.text
            took.append(time.monotonic() - started)
            number += clients

    async with httpx.AsyncClient(timeout=timeout) as client:
        await asyncio.gather(*(caller(client, number) for number in range(clients)))
    return took


async def flood(
    base: str, photos: list[bytes], rate: float, seconds: float, pid: int
) -> tuple[Counter[str], list[float], float]:
    """Send requests at random times, independent of the answers, each on its own connection.

    Requests are prepared in advance, because preparing them in between would take CPU time from the service.
    """
    rng, counts, took = np.random.default_rng(0), Counter[str](), list[float]()
    written = [raw_request(base, files_of("identify", photos, number)) for number in range(len(photos))]
    where = httpx.URL(base)
    most = 0.0

    async def one(number: int) -> None:
        started = time.monotonic()
        try:
            async with asyncio.timeout(120):
                reader, writer = await asyncio.open_connection(where.host, where.port)
                writer.write(written[number % len(written)])
                answer = await reader.read()
                writer.close()
            head, _, body = answer.partition(b"\r\n\r\n")
            status = int(head.split()[1])
        except (OSError, TimeoutError, IndexError) as error:
            counts[f"broken {type(error).__name__}"] += 1
            return
        kind = "" if status == 200 else " " + json.loads(body)["type"].rpartition(":")[2]
        counts[f"{status}{kind}"] += 1
        if status == 200:
            took.append(time.monotonic() - started)
        elif status == 429:
            assert b"\r\nretry-after: " in head.lower()

    asked, number, until = set(), 0, time.monotonic() + seconds
    following = time.monotonic()
    while time.monotonic() < until:
        following += rng.exponential(1 / rate)
        await asyncio.sleep(max(0.0, following - time.monotonic()))
        task = asyncio.create_task(one(number))
        asked.add(task)
        task.add_done_callback(asked.discard)
        number += 1
        if number % 25 == 0:
            most = max(most, resident(pid))
    await asyncio.gather(*asked)
    return counts, took, most


def raw_request(base: str, files: Mapping[str, bytes]) -> bytes:
    """Return the bytes of an HTTP request to identify, with `Connection: close`."""
    request = httpx.Request("POST", f"{base}/v1/identify", files=files, headers={"Connection": "close"})
    lines = [f"POST {request.url.path} HTTP/1.1", *(f"{name}: {value}" for name, value in request.headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + request.read()


async def stop_meanwhile(base: str, photos: list[bytes], process: subprocess.Popen[bytes]) -> tuple[Counter[str], int]:
    """Send some requests, stop the service, and return the results."""
    async with httpx.AsyncClient(timeout=120) as client:
        tasks = [
            asyncio.create_task(client.post(f"{base}/v1/identify", files=files_of("identify", photos, number)))
            for number in range(STOPPED)
        ]
        # Wait until the service has read all requests.
        accepted = f'facespace_requests_in_progress{{queue="photos"}} {len(tasks)}.0'
        while accepted not in (await client.get(f"{base}/metrics")).text:
            await asyncio.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        answers = await asyncio.gather(*tasks, return_exceptions=True)
    outcomes = [type(a).__name__ if isinstance(a, BaseException) else str(a.status_code) for a in answers]
    return Counter(outcomes), len(outcomes)


def resident(pid: int) -> float:
    """Return the resident memory of a process in megabytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return float("nan")


if __name__ == "__main__":
    main()
