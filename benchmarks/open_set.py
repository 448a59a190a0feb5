"""Claim: the false positive identification rate stays below the limit, however large the gallery is.

Thresholds follow from the tail of impostor distances in the card, measured on the validation people of ../shared/data,
and from the distances between enrolled people. They are tested on LFW, which was not used to choose anything: some
people are enrolled with all photos but one, which is the probe; all photos of the others are strangers. For comparison:
the threshold from the card alone, and a fixed threshold for one pair as in other libraries. The training set of the
network may contain people of LFW.

    python benchmarks/lfw_embeddings.py MODEL ../shared/data LFW.npy
    python benchmarks/open_set.py VAL.npz LFW.npy [--data ../shared/data]

VAL.npz contains `points` (n, d) and `people` (n,) from the same model. With --half, the tail is measured on a random
half of the people in LFW and tested on the other half, which shows the bound for people of the same distribution.
"""

import argparse
import zipfile
from pathlib import Path

import numpy as np

from facespace.evaluate.impostor_tails import impostor_tails
from facespace.gallery.open_set import FACES, nearest_others
from facespace.metric import Impostors, normalise, open_set_far

SIZES = (10, 50, 100, 500, 1000, 2000, 5000)
ROUNDS = 20


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
    print(f"{len(points)} photos of {people.max() + 1} people of LFW; limit: FPIR 1 %")
    print(
        f"{'people':>7} {'rounds':>6} {'FPIR':>7} {'mean, 95 %':>15} {'draws, 95 %':>15} {'FNIR':>7} {'rank-1':>7} "
        f"{'card alone: FPIR, FNIR':>23} {'one threshold: FPIR':>20}"
    )
    for size in (size for size in SIZES if size < people.max() - 500):
        rows = [one_round(points, people, size, tail, np.random.default_rng(seed)) for seed in range(ROUNDS)]
        fpir, fnir, rank1, card_fpir, card_fnir, fixed = np.mean(rows, axis=0)
        draws = np.array([row[0] for row in rows])
        low, high = np.percentile(draws, [2.5, 97.5])
        again = np.random.default_rng(0).choice(draws, (2000, ROUNDS)).mean(axis=1)
        mean_low, mean_high = np.percentile(again, [2.5, 97.5])
        print(
            f"{size:7,} {ROUNDS:6} {fpir:7.4f} {mean_low:7.4f}-{mean_high:.4f}  {low:7.4f}-{high:.4f} {fnir:7.3f} "
            f"{rank1:7.3f} {card_fpir:15.4f}, {card_fnir:.3f} {fixed:20.3f}",
            flush=True,
        )


def tail_of(points: np.ndarray, people: np.ndarray) -> Impostors:
    """Compute the tail of impostor distances in the format of a card."""
    measured = impostor_tails(points, people)
    return Impostors(
        tuple(measured.fars),
        tuple(entry.photos for entry in measured.tails),
        tuple(tuple(entry.thresholds) for entry in measured.tails),
    )


def one_round(
    points: np.ndarray, people: np.ndarray, size: int, tail: Impostors, rng: np.random.Generator
) -> tuple[float, ...]:
    """Return a gallery's FPIR, FNIR and rank-1; FPIR and FNIR with the card alone; FPIR with a fixed threshold."""
    counts = np.bincount(people)
    # Enrol people with two photos first, so that there are mated probes at every size.
    several = rng.permutation(np.flatnonzero(counts > 1))
    enrolled = np.concatenate([several, rng.permutation(np.flatnonzero(counts == 1))])[: min(size, len(counts) - 500)]
    templates, photos, firsts, probes, owner = [], [], [], [], []
    for place, person in enumerate(enrolled):
        own = rng.permutation(np.flatnonzero(people == person))
        kept = own if len(own) == 1 else own[1:]
        if len(own) > 1:
            probes.append(own[0])
            owner.append(place)
        templates.append(points[kept].mean(axis=0))
        photos.append(len(kept))
        firsts.append(kept[0])
    unit, photos_each = normalise(np.stack(templates)), np.array(photos)
    strangers = np.flatnonzero(~np.isin(people, enrolled))
    chosen = rng.permutation(len(enrolled))[:FACES]
    nearest = nearest_others(
        points[np.array(firsts)[chosen]],
        chosen,
        unit,
        photos_each,
        np.linalg.norm(np.stack(templates), axis=1),
        tail,
    )
    limit = float(tail.threshold(open_set_far(0.01, len(enrolled), tail, nearest)))
    by_card = float(tail.threshold(0.01 / len(enrolled)))

    def distances(rows: np.ndarray) -> np.ndarray:
        return np.clip(2 - 2 * points[rows] @ unit.T, 0, 4)

    single, plain = [], []
    for start in range(0, len(strangers), 1000):
        plain.append(distances(strangers[start : start + 1000]))
        single.append(tail.as_single(plain[-1], photos_each[None]).min(axis=1))
        plain[-1] = plain[-1].min(axis=1)
    taken, fixed = np.concatenate(single), np.concatenate(plain)
    mated = tail.as_single(distances(np.array(probes)), photos_each[None])
    right, found = mated.argmin(axis=1) == np.array(owner), mated.min(axis=1)
    return (
        float((taken <= limit).mean()),
        1 - float((right & (found <= limit)).mean()),
        float(right.mean()),
        float((taken <= by_card).mean()),
        1 - float((right & (found <= by_card)).mean()),
        float((fixed <= float(tail.threshold(1e-3))).mean()),
    )


if __name__ == "__main__":
    main()
