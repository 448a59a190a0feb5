"""Claim: the network dominates a training step of mobile-112: mining is cheap, and steps do not wait for data.

Runs the same loop on the same batches, alternating: with our miner and loss, and with pytorch-metric-learning's
TripletMarginMiner (semi-hard) and TripletMarginLoss on squared distances. Both use gradient caching if the batch is
larger than a chunk. Batches are prefetched; the waiting time of a step is measured, and the cost of augmentation alone.
CPU time is also reported, because a busy machine hardly affects it.

    python benchmarks/training_step.py ../shared/data [--people 16 --photos 4 --steps 4 --chunk 0]
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from pytorch_metric_learning.distances import LpDistance
from pytorch_metric_learning.losses import TripletMarginLoss
from pytorch_metric_learning.miners import TripletMarginMiner
from torch import Tensor

from facespace.train.data.augment import Draw, augmented
from facespace.train.data.dataset import read_faces
from facespace.train.data.inputs import as_input
from facespace.train.data.prefetch import Prefetcher
from facespace.train.data.sampling import IdentityBatches
from facespace.train.engine.distributed import Workers
from facespace.train.engine.gradient import batch_gradient
from facespace.train.losses import triplet_loss
from facespace.train.mining import semi_hard, squared_distance_matrix
from facespace.train.networks import build_network
from facespace.train.recipe import AugmentSection

MARGIN = 0.2
AUGMENT = AugmentSection(colour=0.2, erase=0.1, blur=0.2, low_resolution=0.2, jpeg=0.2)
Loss = Callable[[Tensor, Tensor], Tensor]


def ours(points: Tensor, labels: Tensor) -> Tensor:
    distances = squared_distance_matrix(points)
    return triplet_loss(distances, semi_hard(distances.detach(), labels, MARGIN), MARGIN)


def theirs() -> Loss:
    distance = LpDistance(power=2)
    miner = TripletMarginMiner(margin=MARGIN, type_of_triplets="semihard", distance=distance)
    loss = TripletMarginLoss(margin=MARGIN, distance=distance)
    return lambda points, labels: loss(points, labels, miner(points, labels))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    for name, default in (("people", 16), ("photos", 4), ("steps", 4), ("chunk", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    faces = read_faces(options.data / "val.zip", 112, 112)
    batches = IdentityBatches(faces.labels, options.people, options.photos, seed=1)

    def prepare(step: int) -> tuple[np.ndarray, np.ndarray]:
        chosen = batches.batch(step)
        draw = Draw.of(len(chosen), np.random.default_rng([1, step]))
        return chosen, augmented(faces.pixels[chosen], faces.margin, (112, 112), AUGMENT, draw)

    networks, seconds, lossy = {}, {"ours": [], "theirs": []}, {"ours": [], "theirs": []}
    for name in seconds:
        torch.manual_seed(1)
        network = build_network("mobile-face", 112, 112, 128).to(memory_format=torch.channels_last).train()
        networks[name] = network, torch.optim.Adagrad(network.parameters(), lr=0.01)
    losses = {"ours": ours, "theirs": theirs()}
    busy: dict[str, list[float]] = {"ours": [], "theirs": []}
    waited, count = [], 0
    with Prefetcher(prepare) as prefetcher:
        # The first step of each is a warm-up and not counted.
        for step in range(2 * (options.steps + 1)):
            name = ("ours", "theirs")[step % 2]
            network, optimiser = networks[name]
            began, worked = time.perf_counter(), time.process_time()
            chosen, pixels = prefetcher.get(step, then=step + 1)
            ready = time.perf_counter()
            labels = torch.from_numpy(faces.labels[chosen])
            inside: list[float] = []

            def backward(points: Tensor, name=name, labels=labels, inside=inside) -> Tensor:
                started = time.perf_counter()
                losses[name](points, labels).backward()
                inside.append(time.perf_counter() - started)
                assert points.grad is not None
                return points.grad

            optimiser.zero_grad()
            batch = as_input(torch.from_numpy(pixels).permute(0, 3, 1, 2).float())
            batch_gradient(network, batch, len(chosen), options.chunk, backward, Workers("cpu"), seed=step)
            optimiser.step()
            if step >= 2:
                seconds[name].append(time.perf_counter() - began)
                busy[name].append(time.process_time() - worked)
                lossy[name] += inside
                waited.append((ready - began) / seconds[name][-1])
                count = len(chosen)
    started = time.process_time()
    prepare(0)
    distorting = (time.process_time() - started) / count
    step_of = {name: statistics.median(times) for name, times in seconds.items()}
    print(f"mobile-face at 112x112, B = {count}, {torch.get_num_threads()} threads, medians of {options.steps} steps")
    for name, median in step_of.items():
        print(
            f"{name:>7}: {count / median:7.1f} faces/s, {statistics.median(busy[name]):.2f} s of CPU per step, "
            f"mining and loss {1000 * statistics.median(lossy[name]):.1f} ms"
        )
    saved = statistics.median(busy["theirs"]) / statistics.median(busy["ours"])
    print(f"  ratio: {step_of['theirs'] / step_of['ours']:.2f} in wall time, {saved:.2f} in CPU time")
    print(f"waiting for faces: {statistics.median(waited):.2%} of a step (worst {max(waited):.2%})")
    share = distorting * count / statistics.median(busy["ours"])
    print(f"augmentation of a face: {1000 * distorting:.2f} ms of CPU, {share:.1%} of a step")


if __name__ == "__main__":
    main()
