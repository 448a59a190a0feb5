"""Claim: exact search of one face takes at most twice as long as by the fastest other way, at any size.

    python benchmarks/scan.py [--sizes 1000,10000,100000,1000000] [--threads 1] [--graph-up-to 100000]
    python benchmarks/scan.py --widths 8,16,32,64,256,4096

Searches the 20 nearest points of 1, 8 and 64 probes at once with each method: ours (int8 with a scale for each point),
faiss's flat int8 indexes (one scale for all points) and float32 index, faiss's graph (HNSW), and numpy (blocks of 4,096
rows converted to float32, or all rows kept as float32; BLAS). "as an index" does with faiss what an index does: it
checks the queries, asks faiss for twice as many points, and computes their distances again with the scale of each
point, so its distances equal ours. Reports medians of CPU time and wall time, and the recall of the 20 nearest by
float32. Uses synthetic people (`synthetic.py`), one face each, with other faces of them as probes.

Where processors can make CPUID fault, `benchmarks/without_vnni.c` hides the integer instructions from all libraries:

    cc -shared -fPIC -o hide.so benchmarks/without_vnni.c && LD_PRELOAD=./hide.so python benchmarks/scan.py

--widths: only the products of our scan; CPU time for a million random points, one thread, by points per tile.
"""

import argparse
import functools
import os
import time
from collections.abc import Callable

os.environ["OMP_NUM_THREADS"] = "1"  # For numpy; the other methods have an argument.

import faiss
import numpy as np
from numpy.typing import NDArray

from facespace.index import ExactIndex
from facespace.index.product import Whole, products
from facespace.index.rows import Rows, as_queries
from facespace.metric import quantise
from synthetic import SyntheticFaces, real_faces

K, BATCHES, REPEATS, LONGEST = 20, (1, 8, 64), 51, 3.0
Search = Callable[[NDArray[np.float32]], NDArray[np.int64]]


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--sizes", default="1000,10000,100000,1000000")
    words.add_argument("--threads", default="1")
    words.add_argument("--graph-up-to", type=int, default=100_000)
    words.add_argument("--widths")
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
        true = np.argpartition(-(asked @ faces.T), K, axis=1)[:, :K]
        for name, build in WAYS.items():
            if "graph" in name and size > given.graph_up_to:
                continue
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
        if sum(clock for _, clock in times) > LONGEST and len(times) > 4:
            break
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


def ours(faces: NDArray[np.float32], threads: int) -> Search:
    index = ExactIndex(faces.shape[1], threads)
    index.add(np.arange(len(faces)), faces)
    return lambda asked: index.search(asked, K).ids


def scalar(kind: str, metric: int, directions: bool) -> Callable[[NDArray[np.float32], int], Search]:
    """faiss's int8 scan; `directions` quantises points with a common scale, as it needs."""

    def build(faces: NDArray[np.float32], threads: int) -> Search:
        to_bytes = as_bytes if directions else lambda points: points
        index = faiss.IndexScalarQuantizer(faces.shape[1], getattr(faiss.ScalarQuantizer, kind), metric)
        index.train(to_bytes(faces[:20_000]))
        fill(index, faces, to_bytes)
        return lambda asked: index.search(to_bytes(asked), K)[1]

    return build


def as_bytes(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Multiply points by one common factor so that their components, with rare exceptions, are within -127 to 127."""
    return np.clip(np.rint(points * (127 * points.shape[1] ** 0.5 / 5.5)), -127, 127).astype(np.float32)


def fill(index: faiss.Index, faces: NDArray[np.float32], to_bytes: Callable[..., NDArray[np.float32]]) -> None:
    for start in range(0, len(faces), 50_000):
        index.add(to_bytes(faces[start : start + 50_000]))


def measured_again(graph: bool) -> Callable[[NDArray[np.float32], int], Search]:
    """faiss as the engine of an index; the graph visits one point in 200, as `HnswIndex` did."""

    def build(faces: NDArray[np.float32], threads: int) -> Search:
        rows = Rows(faces.shape[1])
        rows.append(np.arange(len(faces)), quantise(faces))
        stored = rows.stored()
        direct = faiss.ScalarQuantizer.QT_8bit_direct_signed
        if graph:
            index = faiss.IndexHNSWSQ(faces.shape[1], direct, 16)
            index.hnsw.efConstruction = 128
            options = faiss.SearchParametersHNSW(efSearch=min(4096, max(192, len(faces) // 200)))
            # The graph is built by all processors; searches have `threads`.
            faiss.omp_set_num_threads(os.cpu_count())
            begun = time.perf_counter()
            fill(index, faces, as_bytes)
            print(f"{len(faces):9,} points, graph built in {time.perf_counter() - begun:.0f} s", flush=True)
            faiss.omp_set_num_threads(threads)
        else:
            index, options = faiss.IndexScalarQuantizer(faces.shape[1], direct, faiss.METRIC_L2), None
            fill(index, faces, as_bytes)

        def search(asked: NDArray[np.float32]) -> NDArray[np.int64]:
            queries = as_queries(asked, faces.shape[1], K)
            near = index.search(as_bytes(queries), 2 * K, params=options)[1]
            own = np.repeat(np.arange(len(queries)), near.shape[1])
            values = stored.similarities(queries, own, near.ravel()).reshape(near.shape)
            order = np.lexsort((near, -values), axis=1)[:, :K]
            return stored.ids[np.take_along_axis(near, order, 1)]

        return search

    return build


def numpy_floats(faces: NDArray[np.float32], threads: int) -> Search:
    def search(asked: NDArray[np.float32]) -> NDArray[np.int64]:
        return np.argpartition(-(asked @ faces.T), K, axis=1)[:, :K]

    return search


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
    "numpy, float32 kept": numpy_floats,
    "faiss as an index, exact": measured_again(graph=False),
    "faiss as an index, graph": measured_again(graph=True),
    "faiss direct signed, L2": scalar("QT_8bit_direct_signed", faiss.METRIC_L2, True),
    "faiss direct signed, product": scalar("QT_8bit_direct_signed", faiss.METRIC_INNER_PRODUCT, True),
    "faiss uniform, L2": scalar("QT_8bit_uniform", faiss.METRIC_L2, False),
    "faiss ranges of each number, L2": scalar("QT_8bit", faiss.METRIC_L2, False),
    "faiss float32, product": floats,
}

if __name__ == "__main__":
    main()
