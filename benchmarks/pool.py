"""Claim: mining hard triplets in a pool of a million faces needs little memory beyond the embeddings.

Embeddings are random, around a centre for each person. Triplets are mined for the anchors of 200 steps with a batch of
1,800 and a share of a quarter. Each size runs in a separate process, to measure memory beyond the embeddings.

    python benchmarks/pool.py [--sizes 100000,300000,1000000] [--anchors 30000]
"""

import argparse
import json
import resource
import subprocess
import sys
import time

import torch


def measure(pool: int, anchors: int) -> dict[str, float]:
    from facespace.train.mining import hard_triplets

    torch.set_num_threads(2)
    torch.manual_seed(0)
    labels = torch.arange(pool) // 8
    points = torch.empty(pool, 128)
    # Made in pieces, so that the peak memory does not exceed the pool itself.
    for rows in torch.arange(pool).split(8000):
        centres = torch.randn(len(rows) // 8, 128).repeat_interleave(8, dim=0)
        points[rows] = torch.nn.functional.normalize(centres + 0.8 * torch.randn(len(rows), 128))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    found = hard_triplets(points, labels, torch.randperm(pool)[:anchors], 0.2)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"pool_mb": pool * 128 * 4 / 2**20, "mb": (peak - before) / 1024, "seconds": seconds, "triplets": len(found)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="100000,300000,1000000")
    parser.add_argument("--anchors", type=int, default=30_000)
    parser.add_argument("--measure", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure, options.anchors)))
        return
    for size in map(int, options.sizes.split(",")):
        command = [sys.executable, __file__, "--anchors", str(options.anchors), "--measure", str(size)]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        print(
            f"pool of {size:9,}: embeddings {found['pool_mb']:5.0f} MB, miner {found['mb']:5.0f} MB more, "
            f"{found['seconds']:6.1f} s for {options.anchors:,} anchors, {found['triplets']:,.0f} triplets"
        )


if __name__ == "__main__":
    main()
