"""Claim: clustering a million faces takes 95 s of processor time and 3 GB; time grows about as n log n.

    python benchmarks/cluster_scale.py ../shared/data [--sizes 10000,30000,100000,300000,1000000] [--engine threads,ray]

Embeddings are drawn around real ones (see synthetic.py), with a geometric distribution of photos per person and eight
on average. One process writes them to a file; another reads and clusters them, so that time and peak memory (including
the embeddings) are those of the clustering. CPU time is also reported, because the machine may be busy. 'best' is the
BCubed F of the best of ten stricter cuts, chosen with the truth. 'same' is the share of faces with the same label as by
the engine named before; of Ray, time and memory are those of the process that starts the tasks.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from facespace.album import cut_of
from facespace.clustering.graph import candidate_graph
from facespace.clustering.linkage import average_linkage
from facespace.clustering.ray import graph_with_ray
from facespace.evaluate.decisions import decide
from facespace.evaluate.metrics.grouping import bcubed_f
from facespace.metric import normalise
from facespace.model import DecisionsCard
from memory import peak_bytes
from synthetic import SyntheticFaces, real_faces


def drawn(count: int, data: Path) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    label = np.repeat(np.arange(count), rng.geometric(1 / 8, size=count))[:count]
    source = SyntheticFaces(*real_faces("train", data))
    centres = source.people(int(label.max()) + 1, rng)
    parts = [source.faces(centres[label[start : start + (1 << 16)]], rng) for start in range(0, count, 1 << 16)]
    return np.concatenate(parts).astype(np.float32), label


def measure(folder: Path, engine: str) -> dict[str, float]:
    cut = cut_of(DecisionsCard.model_validate_json((folder / "card.json").read_text()))
    points = np.load(folder / "points.npy")
    started, work = time.perf_counter(), time.process_time()
    if engine == "ray":
        graph = graph_with_ray(points, cut.threshold, folder=folder / "work")
    else:
        graph = candidate_graph(points, cut.threshold)
    graph_seconds = time.perf_counter() - started
    merges = average_linkage(points, graph, cut.threshold)
    used = cut.of(merges, points)
    found = merges.cut(used)
    seconds, work = time.perf_counter() - started, time.process_time() - work
    peak = peak_bytes() / 1024**3
    before = folder / "found.npy"
    same = float(np.mean(np.load(before) == found)) if before.exists() else 1.0
    np.save(before, found)
    label = np.load(folder / "label.npy")
    cuts = cut.threshold * np.linspace(0.5, 1, 11)
    scores = [bcubed_f(label, merges.cut(other)) for other in cuts]
    return {
        "graph": graph_seconds,
        "same": same,
        "seconds": seconds,
        "work": work,
        "gb": peak,
        "pairs": len(graph.a),
        "f": bcubed_f(label, found),
        "cut": used,
        "best": max(scores),
        "best_cut": float(cuts[int(np.argmax(scores))]),
        "people": int(label.max()) + 1,
        "groups": int(found.max()) + 1,
    }


def child(*words: str) -> str:
    return subprocess.run([sys.executable, __file__, *words], check=True, stdout=subprocess.PIPE, text=True).stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--sizes", default="10000,30000,100000,300000,1000000")
    parser.add_argument("--engine", default="threads", help="threads, ray, or both: threads,ray")
    parser.add_argument("--draw", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.draw:
        points, label = drawn(options.draw, options.data)
        np.save(options.folder / "points.npy", points)
        np.save(options.folder / "label.npy", label)
        return
    if options.folder:
        print(json.dumps(measure(options.folder, options.engine)))
        return
    points, people = real_faces("val", options.data)
    card = decide(normalise(points), people, "validation people")
    print(
        "engine       faces     graph       all processor  n log n     peak       pairs   people   groups   same    "
        "cut      F   best"
    )
    first = 0.0
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "card.json").write_text(card.model_dump_json())
        for count in map(int, options.sizes.split(",")):
            child(str(options.data), "--draw", str(count), "--folder", folder)
            (Path(folder) / "found.npy").unlink(missing_ok=True)
            for engine in options.engine.split(","):
                f = json.loads(child(str(options.data), "--folder", folder, "--engine", engine))
                unit = f["work"] / (count * np.log(count))
                first = first or unit
                print(
                    f"{engine:8} {count:9,} {f['graph']:7.1f} s {f['seconds']:7.1f} s {f['work']:7.1f} s "
                    f"{unit / first:8.2f} {f['gb']:5.1f} GB {f['pairs']:11,} {f['people']:8,} {f['groups']:8,} "
                    f"{f['same']:6.4f} {f['cut']:6.4f} {f['f']:6.3f} {f['best']:6.3f} at {f['best_cut']:.4f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
