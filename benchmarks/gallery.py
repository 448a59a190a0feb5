"""Claim: a gallery answers in milliseconds at any size, while a pickled list of embeddings takes seconds.

At each size, in one run: our exact index (int8), a naive float32 scan in numpy, faiss's flat index in
float32 and int8, and a pickled list as in deepface (read completely for each search). Then all of `Gallery.identify`
except the network: store, index, decision and audit log, with each search synced to disk.

Faces are synthetic, see `synthetic.py`. One face per person is enrolled, another is the probe. rank-1 is the agreement
with the float32 scan. Reports the median and 99th percentile of wall time over the searches, and the median CPU time;
the machine may be busy, so compare within a run.

    python benchmarks/gallery.py [--sizes 1000,10000,100000,1000000] [--store-up-to 10000]
"""

import argparse
import pickle
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facespace.gallery import NewFace, open_store
from facespace.gallery.search import Search
from facespace.index import ExactIndex
from facespace.metric import Impostors
from synthetic import SyntheticFaces, real_faces

SEARCHES = 100
TAIL = Impostors((0.1, 0.01, 0.001, 1e-4), (1,), ((0.24, 0.183, 0.149, 0.125),))


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--sizes", default="1000,10000,100000,1000000")
    words.add_argument("--store-up-to", type=int, default=10_000)
    words.add_argument("--pickle-up-to", type=int, default=100_000)
    given = words.parse_args()
    made, rng = SyntheticFaces(*real_faces("train")), np.random.default_rng(0)
    print(
        f"{'faces':>9} {'what':28} {'build s':>8} {'B/face':>7} {'disk B':>7} "
        f"{'p50 ms':>8} {'p99 ms':>8} {'CPU ms':>8} {'rank-1':>7}"
    )
    for size in map(int, given.sizes.split(",")):
        centres = made.people(size, rng)
        faces = np.concatenate([made.faces(centres[i : i + 50_000], rng) for i in range(0, size, 50_000)])
        asked = made.faces(centres[rng.choice(size, SEARCHES)], rng)
        del centres
        right = np.array([int((faces @ query).argmax()) for query in asked])
        with tempfile.TemporaryDirectory() as folder:
            for name, build in rows(faces, Path(folder), given):
                measure(size, name, build, asked, right)


Built = tuple[Callable[[NDArray[np.float32]], int], float, float]


def rows(
    faces: NDArray[np.float32], folder: Path, given: argparse.Namespace
) -> Iterator[tuple[str, Callable[[], Built]]]:
    """Yield each method's name and a function that builds it; returns search, bytes per face in memory and on disk."""
    import faiss

    size, ids = len(faces), np.arange(len(faces))

    def exact() -> Built:
        built = ExactIndex(128)
        built.add(ids, faces)
        built.save(folder / "exact")
        disk = sum(path.stat().st_size for path in (folder / "exact").iterdir()) / size
        return lambda query: int(built.search(query[None], 5).ids[0, 0]), disk, disk

    def flat(what: str) -> Built:
        built = faiss.index_factory(128, what)
        built.train(faces[:20_000])
        built.add(faces)
        return lambda query: int(built.search(query[None], 5)[1][0, 0]), built.sa_code_size(), float("nan")

    def pickled() -> Built:
        path = folder / "faces.pkl"
        path.write_bytes(
            pickle.dumps([{"identity": str(i), "embedding": face.tolist()} for i, face in enumerate(faces)])
        )

        def search(query: NDArray[np.float32]) -> int:
            people = pickle.loads(path.read_bytes())
            distances = []
            for person in people:
                difference = np.array(person["embedding"]) - query
                distances.append(float(np.sqrt((difference * difference).sum())))
            return int(np.argmin(distances))

        return search, float("nan"), path.stat().st_size / size

    def gallery() -> Built:
        store = open_store(folder / "people.db", "a" * 64, 128)
        for start in range(0, size, 5000):
            store.add_all(
                (f"P{i}", [NewFace(f"photos/{i}.jpg", (0.0, 0.0, 99.0, 99.0), faces[i])], None)
                for i in range(start, min(start + 5000, size))
            )
        found = Search(store, TAIL, None)
        first = store.find("P0").id

        def search(query: NDArray[np.float32]) -> int:
            near = found.nearest(query[None], 5)[0]
            store.by_ids(near.people.tolist())
            store.record("search", {"faces": 1, "found": [int(near.people[0])]})
            return int(near.people[0]) - first

        return search, float("nan"), (folder / "people.db").stat().st_size / size

    yield "exact, bytes (ours)", exact
    yield (
        "numpy float32, naive",
        lambda: (lambda query: int(np.argsort(((faces - query) ** 2).sum(axis=1))[0]), 512, 512),
    )
    yield "faiss flat float32", lambda: flat("Flat")
    yield "faiss flat 8-bit", lambda: flat("SQ8")
    if size <= given.pickle_up_to:
        yield "pickled list", pickled
    if size <= given.store_up_to:
        yield "Gallery, except the network", gallery


def measure(
    size: int, name: str, build: Callable[[], Built], asked: NDArray[np.float32], right: NDArray[np.int64]
) -> None:
    start = time.perf_counter()
    search, memory, disk = build()
    built = time.perf_counter() - start
    times, processor, hits = [], [], []
    # Slow methods get fewer searches, since all would take hours.
    for query, expected in zip(asked, right, strict=True):
        begin, worked = time.perf_counter(), time.process_time()
        hits.append(search(query) == expected)
        times.append(time.perf_counter() - begin)
        processor.append(time.process_time() - worked)
        if sum(times) > 20 and len(times) >= 3:
            break
    p50, p99 = (1000 * np.percentile(times, q) for q in (50, 99))
    print(
        f"{size:9,} {name:28} {built:8.2f} {memory:7.0f} {disk:7.0f} {p50:8.2f} {p99:8.2f} "
        f"{1000 * np.median(processor):8.2f} {np.mean(hits):7.3f}  ({len(times)} searches)",
        flush=True,
    )


if __name__ == "__main__":
    main()
