"""Plots of what distances between faces mean, from dlib's embeddings of people set aside for validation.

python docs/plots/distances.py ../shared/data     writes docs/pictures/*.svg, prints the numbers of explanation/idea.md
"""

import csv
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from style import Colours, draw

from facespace.evaluate import all_pairs
from facespace.metric import fit_calibration, paired_squared_distances, squared_distances, threshold_at

# dlib's points are lifted onto a sphere of this radius, as decision 050 tells.
RADIUS = 2.0

FARS = (1e-1, 1e-2, 1e-3)

# The paper's margin of 0.2 is a tenth of what unrelated points of a sphere lie apart, which is 2.
MARGIN_SHARE = 0.1


@dataclass(frozen=True)
class Faces:
    """Points on the sphere, float32 (n, 129), and whose they are, (n,)."""

    points: NDArray[np.float32]
    people: NDArray[np.int64]


def read_faces(data: Path, split: str) -> Faces:
    with (data / "faces.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == split]
    teacher = np.load(data / "teacher.npy", mmap_mode="r")
    flat = np.asarray(teacher[[int(row["teacher_row"]) for row in rows]], np.float32)
    height = np.sqrt(RADIUS**2 - (flat**2).sum(axis=1, keepdims=True))
    people = np.unique([row["person"] for row in rows], return_inverse=True)[1]
    return Faces(np.hstack([flat, height]) / RADIUS, people)


def thresholds(genuine: NDArray[np.float64], impostor: NDArray[np.float64]) -> None:
    at = {far: float(threshold_at(far, impostor)) for far in FARS}
    for far, threshold in at.items():
        print(f"FAR {far:g}: threshold {threshold:.4f}, VAL {np.mean(genuine <= threshold):.3f}")

    def plot(axes, c: Colours) -> None:
        bins = np.linspace(0, 0.35, 141)
        middle = (bins[1:] + bins[:-1]) / 2
        for distances, colour, label, place in (
            (genuine, c["same"], "one person,\ntwo photos", (0.058, 0.74)),
            (impostor, c["other"], "two people", (0.69, 0.58)),
        ):
            share = np.histogram(distances, bins)[0] / len(distances)
            axes.fill_between(middle, share, color=colour, alpha=0.25, linewidth=0)
            axes.plot(middle, share, color=colour, linewidth=1.8)
            axes.text(*place, label, color=colour, ha="center", transform=axes.transAxes)
        for far, threshold in at.items():
            axes.axvline(threshold, color=c["ink"], linewidth=1, linestyle=(0, (4, 3)))
            axes.text(threshold, 1.0, f" FAR {far:g}", fontsize=9, va="top", transform=axes.get_xaxis_transform())
        axes.set(xlabel="squared distance", ylabel="share of the pairs", xlim=(0, 0.3), ylim=(0, None), yticks=[])

    draw("threshold", plot)


def calibration(genuine: NDArray[np.float64], impostor: NDArray[np.float64]) -> None:
    curve = fit_calibration(genuine, impostor)
    bins = np.linspace(0.02, 0.2, 46)
    middle = (bins[1:] + bins[:-1]) / 2
    same = np.histogram(genuine, bins)[0] / len(genuine)
    other = np.histogram(impostor, bins)[0] / len(impostor)

    def plot(axes, c: Colours) -> None:
        axes.plot(middle, same / (same + other), "o", color=c["soft"], markersize=4, label="counted")
        axes.plot(middle, curve.probability(middle), color=c["same"], linewidth=2, label="the card's curve, prior 1/2")
        axes.plot(
            middle,
            curve.probability(middle, prior=0.01),
            color=c["third"],
            linewidth=2,
            linestyle=(0, (5, 2)),
            label="the same, prior 1/100",
        )
        axes.set(xlabel="squared distance", ylabel="probability of one person", xlim=(0.02, 0.2), ylim=(0, 1.02))
        axes.legend(loc="upper right")

    draw("probability", plot)


def spread(faces: Faces) -> None:
    """How far a person's photos lie from each other, and how near the nearest other person comes."""
    names, counts = np.unique(faces.people, return_counts=True)
    own, nearest = [], []
    for person in names[counts >= 4]:
        mine = faces.people == person
        within = squared_distances(faces.points[mine], faces.points[mine])
        own.append(float(within[np.triu_indices(len(within), 1)].mean()))
        nearest.append(float(squared_distances(faces.points[mine], faces.points[~mine]).min(axis=1).mean()))
    order = np.argsort(own)
    within, between = np.array(own)[order], np.array(nearest)[order]
    low, high = np.percentile(within, [5, 95])
    print(f"{len(within)} people: mean distance within a person from {low:.3f} (5 %) to {high:.3f} (95 %)")
    print(f"people whose own photos are nearer than the nearest stranger, on average: {np.mean(within < between):.3f}")

    def plot(axes, c: Colours) -> None:
        rank = np.arange(len(within))
        axes.plot(rank, between, ".", color=c["other"], markersize=3.5, label="to the nearest stranger")
        axes.plot(rank, within, color=c["same"], linewidth=2, label="between photos of the person")
        axes.set(xlabel="people, by how much their photos differ", ylabel="mean squared distance", xticks=[])
        axes.set(ylim=(0, None))
        axes.legend(loc="lower right")

    draw("spread", plot)


def negatives(faces: Faces, rng: np.random.Generator) -> None:
    """Of random triplets, how many would teach anything."""
    pairs = all_pairs(faces.people)
    a, p = pairs.a[pairs.same], pairs.b[pairs.same]
    chosen = rng.integers(len(a), size=200_000)
    n = rng.integers(len(faces.people), size=len(chosen))
    keep = faces.people[n] != faces.people[a[chosen]]
    a, p, n = a[chosen][keep], p[chosen][keep], n[keep]
    apart = paired_squared_distances(faces.points[a], faces.points[n])
    gap = apart - paired_squared_distances(faces.points[a], faces.points[p])
    margin = MARGIN_SHARE * float(apart.mean())
    hard, semi = float(np.mean(gap < 0)), float(np.mean((gap >= 0) & (gap < margin)))
    print(f"margin {margin:.4f}; random triplets: hard {hard:.4f}, semi-hard {semi:.4f}, rest {1 - hard - semi:.4f}")

    def plot(axes, c: Colours) -> None:
        bins = np.linspace(-0.05, 0.3, 176)
        share = np.histogram(gap, bins)[0] / len(gap)
        middle = (bins[1:] + bins[:-1]) / 2
        for low, high, colour, label, x in (
            (-0.05, 0, c["other"], f"hard\n{hard:.1%}", -0.038),
            (0, margin, c["third"], f"semi-hard\n{semi:.1%}", 0.0),
            (margin, 0.3, c["same"], f"nothing to learn\n{1 - hard - semi:.1%}", 0.24),
        ):
            within = (middle >= low - 0.001) & (middle <= high + 0.001)
            axes.fill_between(middle[within], share[within], color=colour, alpha=0.6, linewidth=0, step="mid")
            axes.text(x, 0.78, label, color=colour, ha="center", transform=axes.get_xaxis_transform())
        axes.axvline(margin, color=c["ink"], linewidth=1, linestyle=(0, (4, 3)))
        axes.text(margin, 1.0, " margin", fontsize=9, va="top", transform=axes.get_xaxis_transform())
        axes.set(xlabel="how much farther the negative lies than the positive", ylabel="share of triplets", yticks=[])
        axes.set(xlim=(-0.05, 0.3), ylim=(0, None))

    draw("negatives", plot)


def gallery_size(known: Faces, strangers: Faces, threshold: float, rng: np.random.Generator) -> None:
    """Strangers taken for somebody at a threshold for pairs, as the gallery grows: one photo a person."""
    order = rng.permutation(len(known.people))
    first = order[np.unique(known.people[order], return_index=True)[1]]
    people = rng.permutation(first)
    nearest = np.full(len(strangers.people), np.inf)
    sizes, rates, done = [1, 3, 10, 30, 100, 300, 1000, 3000, len(people)], [], 0
    for size in sizes:
        new = squared_distances(strangers.points, known.points[people[done:size]])
        nearest, done = np.minimum(nearest, new.min(axis=1)), size
        rates.append(float(np.mean(nearest <= threshold)))
        print(f"gallery of {size:,}: {rates[-1]:.3f} of strangers taken for somebody")

    def plot(axes, c: Colours) -> None:
        axes.plot(sizes, rates, "o-", color=c["other"], linewidth=1.8, markersize=4)
        axes.set(xscale="log", xlabel="people in the gallery", ylabel="strangers taken for somebody", ylim=(0, 1))
        axes.set_xticks([1, 10, 100, 1000, 10000], ["1", "10", "100", "1,000", "10,000"])
        axes.minorticks_off()
        axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "25 %", "50 %", "75 %", "100 %"])

    draw("gallery-size", plot)


def main() -> None:
    data = Path(sys.argv[1])
    rng = np.random.default_rng(0)
    faces = read_faces(data, "val")
    pairs = all_pairs(faces.people)
    distances = paired_squared_distances(faces.points[pairs.a], faces.points[pairs.b]).astype(np.float64)
    genuine, impostor = distances[pairs.same], distances[~pairs.same]
    print(f"{len(np.unique(faces.people))} people, {len(genuine):,} genuine and {len(impostor):,} impostor pairs")
    thresholds(genuine, impostor)
    calibration(genuine, impostor)
    spread(faces)
    negatives(faces, rng)
    gallery_size(read_faces(data, "train"), faces, float(threshold_at(1e-3, impostor)), rng)


if __name__ == "__main__":
    main()
