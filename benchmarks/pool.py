"""Claim: hard triplets from a pool of a million faces in memory that grows with the pool alone.

Embeddings are drawn around people's centres; triplets are mined for as many anchors as 200 steps of a batch of 1,800
need at a share of a quarter. Each size is a process of its own; what is above the embeddings is the miner's.

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
    # In pieces, so that making the pool leaves no larger peak than the pool itself.
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
