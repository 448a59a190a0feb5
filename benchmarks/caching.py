"""Claim: gradient caching trains a batch of 1,800 in the memory of a chunk, for a step about a third longer.

Runs a plain step and a step with gradient caching of the same network on the same batch. Each runs in a separate
process, to measure its peak memory. Also compares the gradients.

    python benchmarks/caching.py [--batch 1800] [--chunk 100] [--network mobile-face] [--side 112]
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

PHOTOS, MARGIN = 40, 0.2


def measure(network: str, side: int, batch: int, chunk: int, target: str) -> dict[str, float]:
    from facespace.train.engine.distributed import Workers
    from facespace.train.engine.gradient import batch_gradient
    from facespace.train.losses import triplet_loss
    from facespace.train.mining import semi_hard, squared_distance_matrix
    from facespace.train.networks import build_network

    torch.set_num_threads(2)
    torch.manual_seed(0)
    net = build_network(network, side, side, 128).to(memory_format=torch.channels_last).train()
    for layer in net.modules():
        # Batch normalisation and dropout would give the two steps different gradients by design.
        if isinstance(layer, torch.nn.BatchNorm2d | torch.nn.Dropout):
            layer.eval()
    faces = torch.randn(batch, 3, side, side).to(memory_format=torch.channels_last)
    labels = torch.arange(batch) // PHOTOS

    def backward(embeddings: torch.Tensor) -> torch.Tensor:
        distances = squared_distance_matrix(embeddings)
        triplet_loss(distances, semi_hard(distances, labels, MARGIN), MARGIN).backward()
        assert embeddings.grad is not None
        return embeddings.grad

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    batch_gradient(net, faces, batch, chunk, backward, Workers("cpu"), seed=0)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    save_file({name: weight.grad.contiguous() for name, weight in net.named_parameters()}, target)
    return {"seconds": seconds, "mb": (peak - before) / 1024}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=1800)
    parser.add_argument("--chunk", type=int, default=100)
    parser.add_argument("--network", default="mobile-face")
    parser.add_argument("--side", type=int, default=112)
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        chunk, target = options.measure
        print(json.dumps(measure(options.network, options.side, options.batch, int(chunk), target)))
        return
    found, gradients = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for name, chunk in (("plain", 0), ("cached", options.chunk)):
            target = str(Path(folder) / name)
            command = [
                sys.executable, __file__, "--network", options.network, "--side", str(options.side),
                "--batch", str(options.batch), "--measure", str(chunk), target,
            ]  # fmt: skip
            found[name] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            gradients[name] = load_file(target)
            f = found[name]
            print(f"{name:>7}: {f['mb']:8,.0f} MB beyond network and batch, {f['seconds']:6.1f} s")
    largest = max(float((gradients["plain"][k] - g).abs().max()) for k, g in gradients["cached"].items())
    scale = max(float(g.abs().max()) for g in gradients["plain"].values())
    print(
        f"{options.network} at {options.side} px, B = {options.batch}, chunks of {options.chunk}: memory reduced by a "
        f"factor of {found['plain']['mb'] / found['cached']['mb']:.1f}, time increased by a factor of "
        f"{found['cached']['seconds'] / found['plain']['seconds']:.2f}; largest difference of the gradients "
        f"{largest:.1e} (largest gradient {scale:.1e})"
    )


if __name__ == "__main__":
    main()
