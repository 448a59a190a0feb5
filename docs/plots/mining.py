"""Why semi-hard: one small network trained by triplets at random, by the hardest, and by semi-hard ones.

python docs/plots/mining.py ../shared/data     some ten minutes on one core; writes docs/pictures/mining-*.svg

Everything but the choice of the negative is the same: network, first weights, batches, margin, rate, steps. No run is
rescued: what `facespace train` does when a run collapses is left out on purpose.
"""

import csv
import io
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from style import Colours, draw
from torch import Tensor

from facespace.evaluate import all_pairs
from facespace.metric import paired_squared_distances, threshold_at
from facespace.train.losses.triplet import triplet_loss
from facespace.train.mining import Triplets, batch_hard, semi_hard, squared_distance_matrix
from facespace.train.networks import build_network

SIDE, DIMENSION, MARGIN, RATE = 32, 64, 0.2, 0.02
PEOPLE, PHOTOS, STEPS, EVERY = 30, 4, 250, 25
TRAIN_PEOPLE, SEEDS, FAR = 600, (1, 2), 1e-2

Miner = Callable[[Tensor, Tensor, torch.Generator], Triplets]


def at_random(distances: Tensor, labels: Tensor, generator: torch.Generator) -> Triplets:
    """For each anchor-positive pair any negative at all."""
    found = semi_hard(distances, labels, margin=1e9)
    other = (labels[:, None] != labels[None, :]).float()
    negative = torch.multinomial(other[found.anchor], 1, generator=generator)[:, 0]
    return Triplets(found.anchor, found.positive, negative, found.stats, len(found.anchor))


MINERS: dict[str, Miner] = {
    "at random": at_random,
    "the hardest": lambda distances, labels, _: batch_hard(distances, labels, MARGIN),
    "semi-hard": lambda distances, labels, _: semi_hard(distances, labels, MARGIN),
}


@dataclass
class Curve:
    """What a run showed, every 25 steps: VAL, and the mean squared distance between people."""

    steps: list[int] = field(default_factory=list)
    val: list[float] = field(default_factory=list)
    apart: list[float] = field(default_factory=list)


def read_pixels(data: Path, split: str, people: int | None) -> tuple[Tensor, NDArray[np.int64]]:
    """Faces as float32 (n, 3, 32, 32), and whose they are; of the first so many people."""
    with (data / "faces.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == split]
    wanted = set(sorted({row["person"] for row in rows})[:people])
    rows = [row for row in rows if row["person"] in wanted]
    pixels = np.empty((len(rows), SIDE, SIDE, 3), np.uint8)
    with zipfile.ZipFile(data / f"{split}.zip") as archive:
        for place, row in enumerate(rows):
            face = Image.open(io.BytesIO(archive.read(row["path"]))).convert("RGB")
            pixels[place] = face.crop((8, 8, 120, 120)).resize((SIDE, SIDE), Image.Resampling.BOX)
    labels = np.unique([row["person"] for row in rows], return_inverse=True)[1]
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float().sub_(127.5).div_(127.5), labels


def train(miner: Miner, seed: int, faces: Tensor, labels: NDArray[np.int64], judged: Callable) -> Curve:
    torch.manual_seed(seed)
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    network = build_network("small-cnn", SIDE, SIDE, DIMENSION)
    optimiser = torch.optim.Adagrad(network.parameters(), lr=RATE)
    rows = [np.flatnonzero(labels == person) for person in range(labels.max() + 1)]
    rows = [own for own in rows if len(own) >= PHOTOS]
    curve = Curve()
    for step in range(STEPS + 1):
        if step % EVERY == 0:
            judged(network, step, curve)
        chosen = rng.choice(len(rows), PEOPLE, replace=False)
        batch = np.concatenate([rng.choice(rows[person], PHOTOS, replace=False) for person in chosen])
        own = torch.from_numpy(np.repeat(np.arange(PEOPLE), PHOTOS))
        distances = squared_distance_matrix(network(faces[batch]))
        loss = triplet_loss(distances, miner(distances.detach(), own, generator), MARGIN)
        for group in optimiser.param_groups:
            group["lr"] = RATE * min(1, (step + 1) / 10)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return curve


def judge(faces: Tensor, labels: NDArray[np.int64]) -> Callable[[torch.nn.Module, int, Curve], None]:
    pairs = all_pairs(labels)

    def judged(network: torch.nn.Module, step: int, curve: Curve) -> None:
        network.eval()
        with torch.no_grad():
            points = torch.cat([network(part) for part in faces.split(512)]).numpy()
        network.train()
        distances = paired_squared_distances(points[pairs.a], points[pairs.b]).astype(np.float64)
        genuine, impostor = distances[pairs.same], distances[~pairs.same]
        curve.steps.append(step)
        # Where all points are one, no threshold tells anybody apart, and ties give none.
        curve.val.append(float(np.mean(genuine <= threshold_at(FAR, impostor))))
        curve.apart.append(float(impostor.mean()))

    return judged


def main() -> None:
    data = Path(sys.argv[1])
    faces, labels = read_pixels(data, "train", TRAIN_PEOPLE)
    judged = judge(*read_pixels(data, "val", 150))
    curves: dict[str, list[Curve]] = {}
    for name, miner in MINERS.items():
        for seed in SEEDS:
            curves.setdefault(name, []).append(train(miner, seed, faces, labels, judged))
            last = curves[name][-1]
            print(f"{name}, seed {seed}: VAL {last.val[-1]:.3f}, apart {last.apart[-1]:.4f}", flush=True)

    def plot(axes, c: Colours, what: str, label: str) -> None:
        for (name, runs), colour in zip(curves.items(), (c["soft"], c["other"], c["same"]), strict=True):
            for number, run in enumerate(runs):
                axes.plot(run.steps, getattr(run, what), color=colour, linewidth=1.6, label=None if number else name)
        axes.set(xlabel="steps", ylabel=label, xlim=(0, STEPS), ylim=(0, None))
        axes.legend(title="negatives chosen", loc="best")

    draw("mining-val", lambda axes, c: plot(axes, c, "val", f"VAL at FAR {FAR:g}"))
    draw("mining-apart", lambda axes, c: plot(axes, c, "apart", "distance between people"))


if __name__ == "__main__":
    main()
