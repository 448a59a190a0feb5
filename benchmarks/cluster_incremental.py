"""Claim: photos that come in batches are grouped nearly as if all had been there from the start.

    python benchmarks/cluster_incremental.py ../shared/data [--batches 10]

Validation people in random order; after the last batch, BCubed F against the truth and against clustering anew, and
how often two clusters that were there before came together.
"""

import argparse
import time
from pathlib import Path

import numpy as np

from clustering import load
from facespace.cluster.arrange import Knowledge, arrange, carry, join
from facespace.cluster.threshold import Cut
from facespace.evaluate.decisions import decide
from facespace.evaluate.metrics.grouping import bcubed_f


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--batches", type=int, default=10)
    options = parser.parse_args()
    points, people = load(options.data, "val", None)
    cut = Cut.of_card(decide(points, people, "validation people"))
    print("order   anew F  batches F  agreement  merges of old  s a batch   s anew")
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(len(points))
        ids = np.empty(0, np.int64)
        merged, seconds = 0, []
        for part in np.array_split(order, options.batches):
            seen = order[: len(ids) + len(part)]
            before = np.concatenate([ids, np.full(len(part), -1)])
            started = time.perf_counter()
            if len(ids) == 0:
                first = arrange(points[seen], cut)
                labels, used = first.labels, first.cut
            else:
                number = np.unique(before, return_inverse=True)[1] - 1
                used = min(used, cut.of_sizes(np.bincount(number[number >= 0]).astype(float)))
                labels = join(points[seen], number, used, Knowledge.nothing(len(seen)))
                merged += len(np.unique(ids)) - len(np.unique(labels[: len(ids)]))
            ids = carry(before, labels, int(ids.max(initial=0)) + 1)
            seconds.append(time.perf_counter() - started)
        started = time.perf_counter()
        anew = arrange(points[order], cut).labels
        whole = time.perf_counter() - started
        truth = people[order]
        print(
            f"{seed:5} {bcubed_f(truth, anew):8.4f} {bcubed_f(truth, ids):10.4f} {bcubed_f(anew, ids):10.4f} "
            f"{merged:14} {np.median(seconds):10.2f} {whole:8.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
