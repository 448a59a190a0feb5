"""Claim: strangers are taken for somebody no more often than asked, however the gallery grows.

Thresholds come from the card's tail of strangers' distances, measured on people of the shared data's val; they are
judged on LFW, which nothing was chosen by: some of its people are enrolled with all photos but one, which is asked for,
and all photos of the rest are strangers'. A fixed threshold for one pair, as peers have, stands beside it. People of
LFW may be among those whom the network was trained on.

    python benchmarks/lfw_embeddings.py MODEL ../shared/data LFW.npy
    python benchmarks/open_set.py VAL.npz LFW.npy [--data ../shared/data]

VAL.npz holds `points` (n, d) and `people` (n,) by the same model. With --half the tail is that of a random half of
LFW's people, and the other half is enrolled and asked: what the bound does on people like those it was measured on.
"""

import argparse
import zipfile
from pathlib import Path

import numpy as np

from facespace.evaluate.impostor_tails import impostor_tails
from facespace.metric import Impostors, normalise

SIZES = (10, 100, 500, 1000, 2000, 5000)
ROUNDS = 10


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("val", type=Path)
    words.add_argument("lfw", type=Path)
    words.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "data")
    words.add_argument("--half", action="store_true")
    given = words.parse_args()
    points = np.load(given.lfw)
    with zipfile.ZipFile(given.data / "lfw.zip") as archive:
        names = [name.split("/")[-2] for name in sorted(archive.namelist()) if name.endswith(".jpg")]
    people = np.unique(names, return_inverse=True)[1]
    if given.half:
        first = np.isin(people, np.random.default_rng(0).permutation(people.max() + 1)[: people.max() // 2])
        tail = tail_of(points[first], people[first])
        points, people = points[~first], np.unique(people[~first], return_inverse=True)[1]
    else:
        with np.load(given.val) as val:
            tail = tail_of(val["points"], val["people"])
    print(f"{len(points)} photos of {people.max() + 1} people of LFW; asked for: at most 1 % of strangers' photos")
    print(f"{'people':>7} {'rounds':>6} {'FPIR':>7} {'95 %':>15} {'FNIR':>7} {'rank-1':>7} {'FPIR, one threshold':>20}")
    for size in (size for size in SIZES if size < people.max() - 500):
        rows = [one_round(points, people, size, tail, np.random.default_rng(seed)) for seed in range(ROUNDS)]
        fpir, fnir, rank1, fixed = np.mean(rows, axis=0)
        low, high = np.percentile([row[0] for row in rows], [2.5, 97.5])
        print(
            f"{size:7,} {ROUNDS:6} {fpir:7.4f} {low:7.4f}-{high:.4f} {fnir:7.3f} {rank1:7.3f} {fixed:20.3f}", flush=True
        )


def tail_of(points: np.ndarray, people: np.ndarray) -> Impostors:
    """The tail of strangers' distances, as a card carries it."""
    measured = impostor_tails(points, people)
    return Impostors(
        tuple(measured.fars),
        tuple(entry.photos for entry in measured.tails),
        tuple(tuple(entry.thresholds) for entry in measured.tails),
    )


def one_round(
    points: np.ndarray, people: np.ndarray, size: int, tail: Impostors, rng: np.random.Generator
) -> tuple[float, float, float, float]:
    """FPIR, FNIR and rank-1 at the gallery's own threshold, and FPIR at the card's for one pair at FAR 1e-3."""
    counts = np.bincount(people)
    # Those with two photos first, so that there is somebody to ask for at every size.
    several = rng.permutation(np.flatnonzero(counts > 1))
    enrolled = np.concatenate([several, rng.permutation(np.flatnonzero(counts == 1))])[: min(size, len(counts) - 500)]
    templates, photos, probes, owner = [], [], [], []
    for place, person in enumerate(enrolled):
        own = rng.permutation(np.flatnonzero(people == person))
        kept = own if len(own) == 1 else own[1:]
        if len(own) > 1:
            probes.append(own[0])
            owner.append(place)
        templates.append(points[kept].mean(axis=0))
        photos.append(len(kept))
    unit, photos_each = normalise(np.stack(templates)), np.array(photos)
    strangers = np.flatnonzero(~np.isin(people, enrolled))
    limit = float(tail.threshold(0.01 / len(enrolled)))

    def distances(rows: np.ndarray) -> np.ndarray:
        return np.clip(2 - 2 * points[rows] @ unit.T, 0, 4)

    taken, fixed = [], []
    for start in range(0, len(strangers), 1000):
        plain = distances(strangers[start : start + 1000])
        taken.append(tail.as_single(plain, photos_each[None]).min(axis=1) <= limit)
        fixed.append(plain.min(axis=1) <= float(tail.threshold(1e-3)))
    mated = tail.as_single(distances(np.array(probes)), photos_each[None])
    right = mated.argmin(axis=1) == np.array(owner)
    found = right & (mated.min(axis=1) <= limit)
    return (
        float(np.concatenate(taken).mean()),
        1 - float(found.mean()),
        float(right.mean()),
        float(np.concatenate(fixed).mean()),
    )


if __name__ == "__main__":
    main()
