"""Claim: several workers with one gallery in PostgreSQL give the same answers, and share the load.

With one and with two workers on one port: enrols a person, then searches for them over new connections, so that any
worker may answer; then runs `clients` concurrent clients without pauses. Reports how often the new person was found,
requests per second, p50 and p99, and the CPU time of each worker.

    python benchmarks/workers.py postgresql://user@host/database [--model MODEL] [--people 10000] [--seconds 15]

The database must be empty. The script creates a gallery of synthetic people in it and does not delete it.
"""

import argparse
import asyncio
import os
from pathlib import Path

import httpx
import numpy as np

from facespace.gallery import NewFace, open_store
from facespace.metric import normalise
from facespace.space import load
from service import ask, resident, service, some_photos

ASKED = 40


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("gallery")
    words.add_argument("--model")
    words.add_argument("--people", type=int, default=10_000)
    words.add_argument("--seconds", type=float, default=15)
    words.add_argument("--clients", type=int, default=8)
    given = words.parse_args()
    photos = some_photos()
    fill(given.gallery, given.model, given.people)
    for workers in (1, 2):
        with service(given.model, given.gallery, workers=workers) as (base, process):
            found = known(base, f"Ada {workers}", photos[workers])
            pids = [process.pid] if workers == 1 else serving(process.pid)
            before = [spent(pid) for pid in pids]
            asyncio.run(ask(base, "identify", photos, given.clients, 3))
            took = asyncio.run(ask(base, "identify", photos, given.clients, given.seconds))
            work = [spent(pid) - then for pid, then in zip(pids, before, strict=True)]
            p50, p99 = 1000 * np.percentile(took, [50, 99])
            print(
                f"{workers} workers, {given.people:,} people: found {found} of {ASKED}; {len(took)} answered, all 200, "
                f"{len(took) / given.seconds:.1f} requests/s, p50 {p50:.0f} ms, p99 {p99:.0f} ms; CPU seconds "
                f"by worker: {', '.join(f'{w:.1f}' for w in work)}; memory by worker: "
                f"{', '.join(f'{resident(pid):.0f} MB' for pid in pids)}",
                flush=True,
            )


def fill(gallery: str, model: str | None, people: int) -> None:
    """Create a gallery of people with one random embedding each."""
    space, rng = load(model), np.random.default_rng(0)
    store = open_store(gallery, space.id, space.dimension)
    if not store.count():
        points = normalise(rng.normal(size=(people, space.dimension)))
        store.add_all((f"P{i}", [NewFace("synthetic", (0, 0, 1, 1), point)], None) for i, point in enumerate(points))
    store.close()


def known(base: str, name: str, photo: bytes) -> int:
    """Count how often a person who was just enrolled is found, each time over a new connection."""
    form = {"name": name, "min_quality": "0"}
    httpx.post(f"{base}/v1/people", data=form, files={"photos": photo}, timeout=120).raise_for_status()

    async def found() -> int:
        async def one() -> bool:
            async with httpx.AsyncClient(timeout=120) as client:
                answer = (await client.post(f"{base}/v1/identify", files={"photo": photo})).json()
                # Random embeddings are unlike faces, so use the nearest person, not the threshold.
                return any(face["candidates"][0]["name"] == name for face in answer["faces"])

        return sum(await asyncio.gather(*(one() for _ in range(ASKED))))

    return asyncio.run(found())


def serving(parent: int) -> list[int]:
    """Return the worker processes of a service: the children that have used CPU time."""
    children = [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]
    return [pid for pid in children if resident(pid) > 60]


def spent(pid: int) -> float:
    """Return the CPU seconds of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
