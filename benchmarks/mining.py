"""Claim: semi-hard mining in O(B^2) is much faster and needs much less memory than listing all triplets.

Compares ours with pytorch-metric-learning's TripletMarginMiner(type_of_triplets="semihard") on the same embeddings, in
one run. Each measurement runs in a separate process, to measure its peak memory; times are medians over repeats. The
machine may be busy, so compare the ratios.

    make benchmarks    # or: python benchmarks/mining.py [--sizes 256,900,1800]
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time

import numpy as np
import torch

PHOTOS = 40
MARGIN = 0.2


def embeddings(batch: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Simulate a partly trained space: people are overlapping clusters of embeddings."""
    photos = PHOTOS if batch >= 900 else 8
    labels = np.arange(batch) // photos
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(labels.max() + 1, 128))
    points = torch.from_numpy((centres[labels] + rng.normal(size=(batch, 128))).astype(np.float32))
    return torch.nn.functional.normalize(points), torch.from_numpy(labels)


def ours(points: torch.Tensor, labels: torch.Tensor) -> int:
    from facespace.train.mining import semi_hard, squared_distance_matrix

    return len(semi_hard(squared_distance_matrix(points), labels, MARGIN).anchor)


def theirs(points: torch.Tensor, labels: torch.Tensor) -> int:
    from pytorch_metric_learning.distances import LpDistance
    from pytorch_metric_learning.miners import TripletMarginMiner

    miner = TripletMarginMiner(margin=MARGIN, type_of_triplets="semihard", distance=LpDistance(power=2))
    return len(miner(points, labels)[0])


def measure(which: str, batch: int) -> dict[str, float]:
    """Measure time and additional peak memory of one method at one size, in this process."""
    points, labels = embeddings(batch)
    mine = ours if which == "ours" else theirs
    mine(*embeddings(48))  # imports and thread pools
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    times = []
    for _ in range(5 if which == "ours" or batch < 900 else 2):
        started = time.perf_counter()
        triplets = mine(points, labels)
        times.append(time.perf_counter() - started)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"seconds": statistics.median(times), "mb": (peak - before) / 1024, "triplets": triplets}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="256,900,1800")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure[0], int(options.measure[1]))))
        return
    print(f"{'B':>6} {'':>6} {'time':>10} {'peak memory':>12} {'triplets':>10}")
    for batch in map(int, options.sizes.split(",")):
        found = {}
        for which in ("ours", "theirs"):
            command = [sys.executable, __file__, "--measure", which, str(batch)]
            found[which] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            f = found[which]
            print(f"{batch:6} {which:>6} {f['seconds']:8.3f} s {f['mb']:9.0f} MB {f['triplets']:10,.0f}")
        time_ratio = found["theirs"]["seconds"] / found["ours"]["seconds"]
        memory_ratio = found["theirs"]["mb"] / max(found["ours"]["mb"], 1)
        print(f"{batch:6} {'ratio':>6} {time_ratio:8.0f} x {memory_ratio:9.0f} x")


if __name__ == "__main__":
    main()
