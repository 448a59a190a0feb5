"""Claim: our exhaustive search takes no longer than faiss's int8 scans, and less for many probes at once.

    python benchmarks/scan.py [--sizes 10000,100000,1000000] [--threads 1,2]
    python benchmarks/scan.py --widths 8,16,32,64,256,4096
    python benchmarks/scan.py --sizes 50000 --looked-at 192,512,1024,2500,4096

Searches the 20 nearest points of 1, 8 and 64 probes at once with each method: ours (int8 with a scale for each point),
faiss's flat int8 indexes (one scale for all points) and float32 index, and numpy (blocks of 4,096 rows converted to
float32, BLAS). Reports medians of CPU time and wall time, and the recall of the 20 nearest by float32. Uses synthetic
people (`synthetic.py`), one face each, with other faces of them as probes.

--widths: only the products of our scan; CPU time for a million random points, one thread, by points per tile.

--looked-at: our graph by the number of points visited; CPU time of one search, recall of the nearest by float32.
"""

import argparse
import functools
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # For numpy; the other methods have an argument.

import faiss
import numpy as np
from numpy.typing import NDArray

from facespace.index import ExactIndex, HnswIndex, open_index
from facespace.index.hnsw import _directions
from facespace.index.product import Whole, products
from facespace.metric import quantise
from synthetic import SyntheticFaces, real_faces

K, BATCHES, REPEATS = 20, (1, 8, 64), 11
Search = Callable[[NDArray[np.float32]], NDArray[np.int64]]


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--sizes", default="10000,100000,1000000")
    words.add_argument("--threads", default="1,2")
    words.add_argument("--widths")
    words.add_argument("--looked-at")
    given = words.parse_args()
    if given.widths:
        by_width([int(width) for width in given.widths.split(",")])
        return
    made, rng = SyntheticFaces(*real_faces("train")), np.random.default_rng(0)
    batches = "".join(f"{f'{batch} at once':>18}" for batch in BATCHES)
    print(f"{'points':>9} {'threads':>7} {'what':32}{batches} {'recall':>7}   CPU time (wall time), ms")
    for size in map(int, given.sizes.split(",")):
        centres = made.people(size, rng)
        faces = np.concatenate([made.faces(centres[i : i + 50_000], rng) for i in range(0, size, 50_000)])
        asked = made.faces(centres[rng.choice(size, max(BATCHES))], rng)
        if given.looked_at:
            by_looked_at([int(width) for width in given.looked_at.split(",")], faces, asked)
            continue
        true = np.argpartition(-(asked @ faces.T), K, axis=1)[:, :K]
        for name, build in WAYS.items():
            for threads in map(int, given.threads.split(",")):
                if name.startswith("numpy") and threads > 1:
                    continue
                faiss.omp_set_num_threads(threads)
                search = build(faces, threads)
                found = search(asked)
                recall = np.mean([len(set(a) & set(b)) / K for a, b in zip(found.tolist(), true.tolist(), strict=True)])
                times = [timed(functools.partial(search, asked[:batch])) for batch in BATCHES]
                columns = "".join(f"{f'{processor:.2f} ({clock:.2f})':>18}" for processor, clock in times)
                print(f"{size:9,} {threads:7} {name:32}{columns} {recall:7.3f}", flush=True)


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Return the medians of CPU time and wall time, in milliseconds."""
    times = []
    for _ in range(REPEATS):
        begun = time.process_time(), time.perf_counter()
        work()
        times.append((time.process_time() - begun[0], time.perf_counter() - begun[1]))
    processor, clock = 1000 * np.median(times, axis=0)
    return float(processor), float(clock)


def by_width(widths: list[int], points: int = 1 << 19, together: int = 1 << 18) -> None:
    rng = np.random.default_rng(0)
    codes = rng.integers(-127, 128, (points, 128)).astype(np.int8)
    for width in widths:
        tiles = np.ascontiguousarray(codes.reshape(-1, width, 128).transpose(0, 2, 1))
        for batch in BATCHES:
            asked = Whole.of(rng.normal(size=(batch, 128)).astype(np.float32))
            processor, _ = timed(functools.partial(multiply, asked, tiles, max(1, together // (width * batch))))
            print(f"tiles of {width:5,}: {processor * 1e6 / points:6.1f} ms, {batch} at once", flush=True)


def multiply(asked: Whole, tiles: NDArray[np.int8], step: int) -> None:
    lengths = np.ones((step, 1, tiles.shape[2]), np.float32)
    for start in range(0, len(tiles), step):
        part = tiles[start : start + step]
        products(asked, part, lengths[: len(part)])


def by_looked_at(widths: list[int], faces: NDArray[np.float32], asked: NDArray[np.float32]) -> None:
    nearest = (asked @ faces.T).argmax(axis=1)
    # The number of points visited is set at construction, so the graph is built once and reloaded.
    with tempfile.TemporaryDirectory() as folder:
        index = HnswIndex(faces.shape[1])
        index.add(np.arange(len(faces)), faces)
        index.save(Path(folder))
        description = json.loads((Path(folder) / "index.json").read_text())
        for width in widths:
            (Path(folder) / "index.json").write_text(json.dumps({**description, "width": width}))
            graph = open_index(folder)
            processor = np.median([timed(functools.partial(graph.search, query[None], K))[0] for query in asked])
            recall = np.mean(graph.search(asked, K).ids[:, 0] == nearest)
            print(f"{len(faces):9,} points, {width:5,} visited: {processor:6.2f} ms, nearest {recall:.3f}", flush=True)


def ours(faces: NDArray[np.float32], threads: int) -> Search:
    index = ExactIndex(faces.shape[1], threads)
    index.add(np.arange(len(faces)), faces)
    return lambda asked: index.search(asked, K).ids


def scalar(kind: str, metric: int, directions: bool) -> Callable[[NDArray[np.float32], int], Search]:
    """faiss's int8 scan; `directions` quantises points with a common scale, as it needs."""

    def build(faces: NDArray[np.float32], threads: int) -> Search:
        as_bytes = _directions if directions else lambda points: points
        index = faiss.IndexScalarQuantizer(faces.shape[1], getattr(faiss.ScalarQuantizer, kind), metric)
        index.train(as_bytes(faces[:20_000]))
        for start in range(0, len(faces), 50_000):
            index.add(as_bytes(faces[start : start + 50_000]))
        return lambda asked: index.search(as_bytes(asked), K)[1]

    return build


def floats(faces: NDArray[np.float32], threads: int) -> Search:
    index = faiss.IndexFlatIP(faces.shape[1])
    index.add(faces)
    return lambda asked: index.search(asked, K)[1]


def numpy_blocks(faces: NDArray[np.float32], threads: int) -> Search:
    codes = quantise(faces)
    inverse = np.concatenate(
        [1 / np.linalg.norm(part.astype(np.float32), axis=1) for part in np.array_split(codes, 64)]
    )
    block = np.empty((4096, faces.shape[1]), np.float32)

    def search(asked: NDArray[np.float32]) -> NDArray[np.int64]:
        similarity = np.empty((len(asked), len(codes)), np.float32)
        for start in range(0, len(codes), len(block)):
            rows = codes[start : start + len(block)]
            np.copyto(block[: len(rows)], rows)
            similarity[:, start : start + len(rows)] = (block[: len(rows)] @ asked.T).T
        similarity *= inverse
        return np.argpartition(-similarity, K, axis=1)[:, :K]

    return search


WAYS = {
    "ours": ours,
    "numpy, float32 blocks": numpy_blocks,
    "faiss direct signed, L2": scalar("QT_8bit_direct_signed", faiss.METRIC_L2, True),
    "faiss direct signed, product": scalar("QT_8bit_direct_signed", faiss.METRIC_INNER_PRODUCT, True),
    "faiss uniform, L2": scalar("QT_8bit_uniform", faiss.METRIC_L2, False),
    "faiss ranges of each number, L2": scalar("QT_8bit", faiss.METRIC_L2, False),
    "faiss float32, product": floats,
}

if __name__ == "__main__":
    main()
