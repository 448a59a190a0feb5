"""Claim: clustering photos in batches gives nearly the same result as clustering all at once.

    python benchmarks/cluster_incremental.py ../shared/data [--batches 10]

Adds photos of the validation people in random order. After the last batch, reports BCubed F against the truth and
against clustering all photos at once, and how many earlier clusters were merged into others. 'kept' is a variant that
never changes earlier clusters.
"""

import argparse
import time
from pathlib import Path

import numpy as np

from clustering import load
from facespace.album import cut_of
from facespace.clustering.arrange import Constraints, arrange, carry, join, loosened
from facespace.clustering.threshold import Cut
from facespace.evaluate.decisions import decide
from facespace.evaluate.metrics.grouping import bcubed_f


def in_batches(points: np.ndarray, batches: int, cut: Cut, again: bool) -> tuple[np.ndarray, int, float]:
    """Return the final cluster numbers, how many earlier clusters were merged, and the median seconds per batch."""
    ids = np.empty(0, np.int64)
    merged, seconds, used = 0, [], cut.threshold
    for part in np.array_split(np.arange(len(points)), batches):
        seen = points[: part[-1] + 1]
        before = np.concatenate([ids, np.full(len(part), -1)])
        started = time.perf_counter()
        if len(ids) == 0:
            first = arrange(seen, cut)
            labels, used = first.labels, first.cut
        else:
            nothing = Constraints.nothing(len(seen))
            used = min(used, cut.of_sizes(np.unique(ids, return_counts=True)[1].astype(float)))
            number = np.unique(before, return_inverse=True)[1] - 1
            labels = join(seen, loosened(seen, number, used, nothing) if again else number, used, nothing)
        following = int(ids.max(initial=0)) + 1
        merged += len(np.setdiff1d(ids, carry(before, labels, following)))
        ids = carry(before, labels, following)
        seconds.append(time.perf_counter() - started)
    return ids, merged, float(np.median(seconds))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--batches", type=int, default=10)
    options = parser.parse_args()
    points, people = load(options.data, "val", None)
    cut = cut_of(decide(points, people, "validation people"))
    print("order    all F   kept F  batches F  agreement  merged clusters  s/batch    s all")
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(len(points))
        mixed, truth = points[order], people[order]
        kept = in_batches(mixed, options.batches, cut, False)[0]
        ids, merged, seconds = in_batches(mixed, options.batches, cut, True)
        started = time.perf_counter()
        at_once = arrange(mixed, cut).labels
        whole = time.perf_counter() - started
        print(
            f"{seed:5} {bcubed_f(truth, at_once):8.4f} {bcubed_f(truth, kept):8.4f} {bcubed_f(truth, ids):10.4f} "
            f"{bcubed_f(at_once, ids):10.4f} {merged:16} {seconds:8.2f} {whole:8.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
