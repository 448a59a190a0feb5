"""Claim: average linkage on a neighbour graph, with a cut adapted to the collection, beats other clustering methods.

The setting of each method is chosen from a grid by BCubed F on one set of people; results are on other people. Each
measurement runs in a separate process, to measure its time and peak memory.

    python benchmarks/clustering.py ../shared/data [--lfw EMBEDDINGS.npy] [--sets val,sparse,lfw,lfw2] [--only NAMES]

EMBEDDINGS.npy has one row per photo of lfw.zip, sorted by name; benchmarks/lfw_embeddings.py writes it. Install the
other libraries with pip install -r benchmarks/requirements.txt; those not installed are skipped with a message.
"""

import argparse
import csv
import json
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from facespace.album import cut_of
from facespace.clustering.graph import candidate_graph, neighbour_graph
from facespace.clustering.linkage import average_linkage, components
from facespace.evaluate.decisions import decide
from facespace.evaluate.metrics.grouping import bcubed_f, grouping
from facespace.metric import normalise
from facespace.model import DecisionsCard
from facespace.model.convert.dlib_onnx import RADIUS
from memory import peak_bytes, reset_peak

CARD: DecisionsCard

# Cuts to try, as shares of the card's clustering cut.
CUTS = tuple(round(share, 2) for share in np.arange(0.6, 1.36, 0.07))
NEARER_CUTS = tuple(round(share, 2) for share in np.arange(0.3, 1.0, 0.07))


def load(data: Path, which: str, lfw: str | None) -> tuple[np.ndarray, np.ndarray]:
    """Return embeddings and people of a set. 'sparse': training people with few photos each (power law)."""
    if which in ("lfw", "lfw2"):
        with zipfile.ZipFile(data / "lfw.zip") as archive:
            names = sorted(name.split("/")[-2] for name in archive.namelist() if name.endswith(".jpg"))
        _, people, photos = np.unique(names, return_inverse=True, return_counts=True)
        keep = photos[people] >= (2 if which == "lfw2" else 1)
        return np.load(lfw)[keep], people[keep]
    with (data / "faces.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == ("val" if which == "val" else "train")]
    points = np.load(data / "teacher.npy")[[int(row["teacher_row"]) for row in rows]]
    people = np.unique([row["person"] for row in rows], return_inverse=True)[1]
    points = lifted(points.astype(np.float32))
    if which == "sparse":
        rng = np.random.default_rng(0)
        photos = np.bincount(people)
        wanted = np.minimum(photos, rng.zipf(2.1, size=len(photos)))
        kept = [
            rng.choice(np.flatnonzero(people == person), count, replace=False) for person, count in enumerate(wanted)
        ]
        keep = np.sort(np.concatenate(kept))
        points, people = points[keep], people[keep]
    return points, people


def lifted(points: np.ndarray) -> np.ndarray:
    """Map embeddings of dlib's network to the unit sphere in one more dimension, as its model file does."""
    rest = np.sqrt(np.maximum(RADIUS**2 - (points**2).sum(axis=1), 0))
    return normalise(np.concatenate([points, rest[:, None]], axis=1))


def ours(points: np.ndarray, cut: float | None) -> np.ndarray:
    """Ours; a setting of None is the card's cut adapted to the collection."""
    top = CARD.clustering.threshold * (1 if cut is None else cut)
    merges = average_linkage(points, candidate_graph(points, top), top)
    if cut is None:
        top = cut_of(CARD).of(merges, points)
    return merges.cut(top)


def ours_neighbours(points: np.ndarray, cut: float | None) -> np.ndarray:
    """As `ours`, always on the graph of nearest neighbours."""
    top = CARD.clustering.threshold
    merges = average_linkage(points, neighbour_graph(points, top), top)
    return merges.cut(cut_of(CARD).of(merges, points))


def squared(share: float) -> float:
    return CARD.clustering.threshold * share


def connected(points: np.ndarray, cut: float) -> np.ndarray:
    graph = candidate_graph(points, squared(cut))
    return components(len(points), graph.a, graph.b)


def chinese_whispers(points: np.ndarray, cut: float) -> np.ndarray:
    import dlib

    # dlib uses plain, not squared, distances.
    return np.array(
        dlib.chinese_whispers_clustering([dlib.vector(p) for p in points.astype(float)], squared(cut) ** 0.5)
    )


def rank_order(points: np.ndarray, cut: float) -> np.ndarray:
    """Approximate rank-order (Otto, Wang, Jain, 2018) with 50 neighbours: one pass, then components."""
    from facespace.index import neighbours

    k = 50
    rows = neighbours(points, k).rows
    place = [dict(zip(own.tolist(), range(1, k + 1), strict=True)) for own in rows]
    a, b = [], []
    for i, own in enumerate(rows):
        for rank, j in enumerate(own.tolist(), start=1):
            if i not in place[j] or (j < i and i in place[j]):
                continue
            here, there = place[i], place[j]
            missed = sum(o not in there for o in own[:rank].tolist())
            missed += sum(o not in here for o in rows[j][: there[i]].tolist())
            if missed / min(rank, there[i]) <= cut:
                a.append(i)
                b.append(j)
    return components(len(points), np.array(a, np.int64), np.array(b, np.int64))


def dbscan(points: np.ndarray, cut: float) -> np.ndarray:
    from sklearn.cluster import DBSCAN

    return alone(DBSCAN(eps=squared(cut) ** 0.5, min_samples=2, n_jobs=2).fit_predict(points))


def dbscan3(points: np.ndarray, cut: float) -> np.ndarray:
    from sklearn.cluster import DBSCAN

    return alone(DBSCAN(eps=squared(cut) ** 0.5, min_samples=3, n_jobs=2).fit_predict(points))


def hdbscan(points: np.ndarray, setting: tuple[str, int]) -> np.ndarray:
    from sklearn.cluster import HDBSCAN

    # cluster_selection_epsilon is not used: scikit-learn 1.9.1 raises a TypeError on some of this data.
    method, size = setting
    model = HDBSCAN(min_cluster_size=size, min_samples=1, cluster_selection_method=method, n_jobs=2, copy=True)
    return alone(model.fit_predict(points.astype(np.float64)))


def agglomerative(points: np.ndarray, cut: float) -> np.ndarray:
    from sklearn.cluster import AgglomerativeClustering

    distances = np.maximum(2 - 2 * points @ points.T, 0)
    return AgglomerativeClustering(
        n_clusters=None, metric="precomputed", linkage="average", distance_threshold=squared(cut)
    ).fit_predict(distances)


def weighted(points: np.ndarray, prior: float):
    """Leiden on the neighbour graph, weighted by the card's probabilities at given prior odds."""
    import igraph

    graph = neighbour_graph(points, squared(2.0), k=32)
    odds = CARD.calibration.intercept + CARD.calibration.slope * graph.distance + prior
    weight = 1 / (1 + np.exp(-odds))
    keep = weight > 1e-3
    edges = np.stack([graph.a[keep], graph.b[keep]], axis=1)
    return igraph.Graph(n=len(points), edges=edges), weight[keep].tolist()


def leiden(points: np.ndarray, setting: tuple[float, float]) -> np.ndarray:
    prior, resolution = setting
    graph, weights = weighted(points, prior)
    return np.array(graph.community_leiden("CPM", weights=weights, resolution=resolution, n_iterations=5).membership)


def infomap(points: np.ndarray, prior: float) -> np.ndarray:
    graph, weights = weighted(points, prior)
    return np.array(graph.community_infomap(edge_weights=weights, trials=2).membership)


def alone(labels: np.ndarray) -> np.ndarray:
    """Make each 'noise' face a cluster of its own."""
    noise = np.flatnonzero(labels < 0)
    labels = labels.copy()
    labels[noise] = labels.max(initial=-1) + 1 + np.arange(len(noise))
    return labels


METHODS: dict[str, tuple[Callable, tuple]] = {
    "ours, adapted cut": (ours, (None,)),
    "ours, neighbour graph": (ours_neighbours, (None,)),
    "ours, fixed cut": (ours, CUTS),
    "sklearn agglomerative": (agglomerative, CUTS),
    "sklearn DBSCAN 2": (dbscan, NEARER_CUTS),
    "sklearn DBSCAN 3": (dbscan3, NEARER_CUTS),
    "sklearn HDBSCAN": (hdbscan, tuple((m, size) for m in ("leaf", "eom") for size in (2, 3, 5))),
    "dlib Chinese whispers": (chinese_whispers, CUTS),
    "connected components": (connected, NEARER_CUTS),
    "rank-order": (rank_order, (0.4, 0.6, 0.8, 1.0, 1.2, 1.5, 2.0)),
    "Leiden (CPM)": (leiden, tuple((p, r) for p in (-5.0, -4.0, -3.0, -2.0, 0.0) for r in (0.1, 0.2, 0.3, 0.5))),
    "Infomap": (infomap, (-8.0, -7.0, -6.0, -5.0, -4.0, -3.0, -2.0, -1.0)),
}


def measure(options: argparse.Namespace) -> dict[str, object]:
    """Tune one method on one set and evaluate it on the others, in this process."""
    function, grid = METHODS[options.measure]
    try:
        function(*[load(options.data, "val", None)[0][:200], grid[0]])
    except ModuleNotFoundError as error:
        return {"absent": error.name}
    best = grid[0]
    if len(grid) > 1:
        points, people = load(options.data, options.tune, None)
        best = max(grid, key=lambda setting: bcubed_f(people, function(points, setting)))
    found: dict[str, object] = {"setting": best}
    for which in options.sets.split(","):
        command = [sys.executable, __file__, str(options.data), "--show", options.measure, which, json.dumps(best)]
        command += ["--card", options.card]
        command += ["--lfw", options.lfw] if options.lfw else []
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        found[which] = json.loads(done.stdout)
    return found


def show(options: argparse.Namespace) -> dict[str, float]:
    name, which, setting = options.show
    function, _ = METHODS[name]
    setting = json.loads(setting)
    setting = tuple(setting) if isinstance(setting, list) else setting
    points, people = load(options.data, which, options.lfw)
    function(points[:200], setting)  # imports and thread pools
    reset_peak()
    before = peak_bytes()
    started = time.perf_counter()
    labels = function(points, setting)
    seconds = time.perf_counter() - started
    peak = peak_bytes()
    from sklearn.metrics import normalized_mutual_info_score

    figures = grouping(people, labels)
    return {
        "seconds": seconds,
        "mb": (peak - before) / 1024**2,
        "bcubed_f": figures.bcubed_f.value,
        "low": figures.bcubed_f.low,
        "high": figures.bcubed_f.high,
        "precision": figures.bcubed_precision,
        "recall": figures.bcubed_recall,
        "pairwise_f": float(getattr(figures.pairwise_f, "value", figures.pairwise_f)),
        "nmi": normalized_mutual_info_score(people, labels),
        "groups": figures.groups,
        "people": figures.people,
        "faces": len(people),
    }


def main() -> None:
    global CARD
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--lfw")
    parser.add_argument("--sets", default="val,sparse")
    parser.add_argument("--tune", default="val", help="set to tune the methods on: val or sparse")
    parser.add_argument("--only", help="only these methods, separated by semicolons")
    parser.add_argument("--card", help=argparse.SUPPRESS)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    parser.add_argument("--show", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.card:
        CARD = DecisionsCard.model_validate_json(Path(options.card).read_text())
    else:
        CARD = decide(*load(options.data, "val", None), "validation people")
        with tempfile.NamedTemporaryFile("w", suffix=".json", delete=False) as file:
            file.write(CARD.model_dump_json())
        options.card = file.name
    if options.measure or options.show:
        print(json.dumps(measure(options) if options.measure else show(options)))
        return
    print(f"settings tuned on: {options.tune}")
    columns = (
        f"{'time':>9} {'memory':>9} {'BCubed F (95 %)':>24} {'P':>6} {'R':>6} {'pair F':>7} {'NMI':>6} {'groups':>7}"
    )
    print(f"{'':22} {'setting':>16} {'set':>7} {columns}")
    for name in options.only.split(";") if options.only else METHODS:
        command = [sys.executable, __file__, str(options.data), "--measure", name, "--sets", options.sets]
        command += ["--card", options.card, "--tune", options.tune, *(["--lfw", options.lfw] if options.lfw else [])]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            print(f"{name:22} failed: {done.stderr.strip().splitlines()[-1]}")
            continue
        found = json.loads(done.stdout)
        if "absent" in found:
            print(f"{name:22} skipped: {found['absent']} is not installed")
            continue
        for which in options.sets.split(","):
            f = found[which]
            interval = f"{f['bcubed_f']:.3f} ({f['low']:.3f} to {f['high']:.3f})"
            print(
                f"{name:22} {found['setting']!s:>16} {which:>7} {f['seconds']:7.1f} s {f['mb']:6.0f} MB {interval:>24} "
                f"{f['precision']:6.3f} {f['recall']:6.3f} {f['pairwise_f']:7.3f} {f['nmi']:6.3f} {f['groups']:7,}",
                flush=True,
            )


if __name__ == "__main__":
    main()
