"""Claim: the limit on FPIR also holds for people who are more similar than those used for the card.

The card's tail is measured on the validation people of ../shared/data. Enrolled people and strangers are training
people of one group: all, a k-means cluster of the people's mean embeddings (2, 4 or 8 clusters), or a random mixture of
the eight. One photo of each person is enrolled, another is the probe. The method was developed on these groups;
benchmarks/open_set.py tests it on other data.

    python benchmarks/open_set_groups.py [--data ../shared/data]
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from clustering import load
from facespace.metric import Impostors, open_set_far
from open_set import tail_of

SIZES = (1, 2, 3, 5, 10, 50, 100, 500, 1000, 3000)
STRANGERS = 1500


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "data")
    given = words.parse_args()
    tail = tail_of(*load(given.data, "val", None))
    points, people = load(given.data, "train", None)
    found = list(groups(points, people))
    print("limit: FPIR 1 %; FPIR over the groups")
    print(f"{'people':>7} {'groups':>7} {'mean':>7} {'worst':>7} {'all':>7} {'FNIR':>6}   card alone {'FNIR':>6}")
    for size in SIZES:
        rows = np.array(
            [
                np.mean(
                    [one(points, people, group, size, tail, seed) for seed in range(15 if size <= 100 else 3)], axis=0
                )
                for group in found
                if len(group) >= size + 200
            ]
        )
        (fpir, fnir, card, card_fnir), worst, card_worst = rows.mean(axis=0), rows[:, 0].max(), rows[:, 2].max()
        print(
            f"{size:7,} {len(rows):7} {fpir:7.4f} {worst:7.4f} {rows[0, 0]:7.4f} {fnir:6.3f}   mean {card:.4f} "
            f"worst {card_worst:.4f} all {rows[0, 2]:.4f} {card_fnir:6.3f}",
            flush=True,
        )


def groups(points: np.ndarray, people: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the people of each group; all people come first."""
    sums = np.zeros((people.max() + 1, points.shape[1]))
    np.add.at(sums, people, points)
    means = sums / np.bincount(people)[:, None]
    yield np.arange(len(means))
    for count in (2, 4, 8):
        label = k_means(means, count)
        yield from (np.flatnonzero(label == group) for group in range(count))
    rng = np.random.default_rng(5)
    for _ in range(7):
        weight = rng.dirichlet(np.full(8, 0.5))[label] / np.bincount(label)[label]
        yield rng.choice(len(means), 2500, replace=False, p=weight / weight.sum())


def k_means(points: np.ndarray, count: int) -> np.ndarray:
    """Cluster points by Lloyd's algorithm from random centres."""
    centres = points[np.random.default_rng(0).choice(len(points), count, replace=False)]
    for _ in range(30):
        label = (points @ centres.T - 0.5 * (centres**2).sum(axis=1)).argmax(axis=1)
        centres = np.stack([points[label == group].mean(axis=0) for group in range(count)])
    return label


def one(
    points: np.ndarray, people: np.ndarray, group: np.ndarray, size: int, tail: Impostors, seed: int
) -> tuple[float, float, float, float]:
    """Return FPIR and FNIR of a gallery, and with the card alone."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(group)
    photos = [rng.permutation(np.flatnonzero(people == person)) for person in order[: size + STRANGERS]]
    enrolled, asked = (points[[own[place] for own in photos[:size]]] for place in (0, 1))
    strangers = points[[own[0] for own in photos[size:]]]
    among = 2 - 2 * enrolled @ enrolled.T
    np.fill_diagonal(among, 4)
    nearest = np.clip(among.min(axis=1), 0, 4).astype(float) if size > 1 else np.empty(0)
    entering = (2 - 2 * strangers @ enrolled.T).min(axis=1)
    mated = 2 - 2 * asked @ enrolled.T
    right, near = mated.argmin(axis=1) == np.arange(size), mated.min(axis=1)
    rates = (open_set_far(0.01, size, tail, nearest), 0.01 / size)
    limits = [float(tail.threshold(rate)) for rate in rates]
    return tuple(  # type: ignore[return-value]
        value
        for limit in limits
        for value in (float((entering <= limit).mean()), 1 - float((right & (near <= limit)).mean()))
    )


if __name__ == "__main__":
    main()
