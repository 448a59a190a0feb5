"""Claim: a million faces are grouped on two cores in minutes and under 8 GB, and the cost grows near n log n.

    python benchmarks/cluster_scale.py ../shared/data [--sizes 10000,30000,100000,300000,1000000]

Points are drawn around real embeddings with the real spread, as synthetic.py tells; eight photos a person on
average, by a geometric law. Each size is a process of its own.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from facespace.cluster.graph import neighbour_graph
from facespace.cluster.linkage import average_linkage
from facespace.cluster.threshold import Cut
from facespace.embed import DecisionsCard
from facespace.evaluate.decisions import decide
from facespace.evaluate.metrics.grouping import bcubed_f
from facespace.metric import normalise
from synthetic import SyntheticFaces, real_faces


def drawn(count: int, data: Path) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    label = np.repeat(np.arange(count), rng.geometric(1 / 8, size=count))[:count]
    source = SyntheticFaces(data)
    centres = source.people(int(label.max()) + 1, rng)
    parts = [source.faces(centres[label[start : start + (1 << 16)]], rng) for start in range(0, count, 1 << 16)]
    return np.concatenate(parts).astype(np.float32), label


def measure(options: argparse.Namespace, count: int) -> dict[str, float]:
    card = DecisionsCard.model_validate_json(Path(options.card).read_text())
    cut = Cut.of_card(card)
    points, label = drawn(count, options.data)
    started = time.perf_counter()
    graph = neighbour_graph(points, cut.threshold)
    graph_seconds = time.perf_counter() - started
    merges = average_linkage(points, graph, cut.threshold)
    found = merges.cut(cut.of(merges, points))
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    return {
        "graph": graph_seconds,
        "seconds": seconds,
        "gb": peak,
        "pairs": len(graph.a),
        "f": bcubed_f(label, found),
        "people": int(label.max()) + 1,
        "groups": int(found.max()) + 1,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--sizes", default="10000,30000,100000,300000,1000000")
    parser.add_argument("--card")
    parser.add_argument("--measure", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options, options.measure)))
        return
    points, people = real_faces("val", options.data)
    card = decide(normalise(points), people, "validation people")
    options.card = options.card or "cluster_scale_card.json"
    Path(options.card).write_text(card.model_dump_json())
    print("    faces     graph       all  n log n     peak       pairs   people   groups      F")
    first = 0.0
    for count in map(int, options.sizes.split(",")):
        command = [sys.executable, __file__, str(options.data), "--card", options.card, "--measure", str(count)]
        f = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        unit = f["seconds"] / (count * np.log(count))
        first = first or unit
        print(
            f"{count:9,} {f['graph']:7.1f} s {f['seconds']:7.1f} s {unit / first:8.2f} {f['gb']:5.1f} GB "
            f"{f['pairs']:11,} {f['people']:8,} {f['groups']:8,} {f['f']:6.3f}",
            flush=True,
        )
    Path(options.card).unlink()


if __name__ == "__main__":
    main()
