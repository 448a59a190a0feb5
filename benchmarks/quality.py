"""Claim: the quality score predicts errors: discarding the worst pairs lowers the false non-match rate.

Computes the error-versus-discard curve on LFW View 2 (pairs.txt). The quality of a pair is that of its worse face. The
worst pairs are discarded in steps, and FNMR at FAR 1e-3 is measured with a new threshold (from the impostor pairs of up
to 3,000 of the remaining photos, so that 1e-3 is more than a few pairs) and with the threshold of all photos. Only
photos of genuine pairs are used. A random score would give a flat curve. Intervals are 95 %, by the bootstrap over
people (docs/decisions/020-intervals.md), also for the improvement over all pairs. The model is the shipped one, or
another with a crop by landmarks. The faces and their quality are those of the default detector nearest to the ones in
lfw_landmarks.csv. The score was fitted on other people: docs/decisions/011-quality.md.

    python benchmarks/quality.py [--model MODEL] [--embeddings EMBEDDINGS.npy] [--plot docs/pictures/discard.svg]

EMBEDDINGS.npy, used instead of a model, has one row per photo of LFW, sorted by name; benchmarks/lfw_embeddings.py
writes it.
"""

import argparse
import dataclasses
import sys
import zipfile
from collections.abc import Iterator

import numpy as np

from facespace.evaluate.metrics.intervals import Interval, draws, interval
from facespace.faces import CROPS, Mtcnn, Quality
from facespace.faces.quality import judge
from facespace.metric import normalise, squared_distances
from facespace.space import Space, load
from lfw_photos import DATA, lfw_photos

SHARES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
FAR = 1e-3


def main_faces() -> Iterator[tuple[str, np.ndarray, np.ndarray, Quality | None, float]]:
    """Yield name, pixels, landmarks, quality and detector score of each photo of a genuine pair.

    If the default detector misses the main face, the landmarks come from the table and the quality is None.
    """
    wanted = {name for pair in matched_names() for name in pair}
    detector = Mtcnn()
    for name, image, truth in lfw_photos():
        if name not in wanted:
            continue
        found = detector([image])[0]
        near = np.linalg.norm(found.landmarks - truth, axis=2).mean(axis=1) if len(found.boxes) else np.array([np.inf])
        if near.min() < np.linalg.norm(truth[1] - truth[0]) / 2:
            points, score = found.landmarks[near.argmin()], float(found.scores[near.argmin()])
            yield name, image, points, judge(image, points, score), score
        else:
            yield name, image, truth.astype(np.float32), None, 0.0


def measured(space: Space | None) -> tuple[list[str], dict[str, np.ndarray], np.ndarray | None]:
    """Return names, quality, single measures for comparison (higher is better), and embeddings (n, d).

    A photo whose main face the default detector misses has the lowest quality.
    """
    names: list[str] = []
    measures: dict[str, list[float]] = {name: [] for name in ("quality", "detector score", "eye distance", "sharpness")}

    def crops() -> Iterator[np.ndarray]:
        for name, image, landmarks, quality, score in main_faces():
            names.append(name)
            values = (quality.value, score, quality.eye_distance, quality.sharpness) if quality else (0.0,) * 4
            for measure, value in zip(measures.values(), values, strict=True):
                measure.append(value)
            if space:
                size = space.card.input
                yield CROPS[space.card.crop](image, np.zeros(4, np.float32), landmarks, size.width, size.height)

    every = crops()
    points = np.stack(list(space.engine.embed_stream(every))) if space else None
    for _ in every:
        pass
    return names, {name: np.array(values) for name, values in measures.items()}, points


def matched_names() -> list[tuple[str, str]]:
    """Return the photos of each genuine pair."""
    lines = [line.split() for line in (DATA / "pairs.txt").read_text().splitlines()[1:]]
    return [
        (f"{parts[0]}/{parts[0]}_{int(parts[1]):04}.jpg", f"{parts[0]}/{parts[0]}_{int(parts[2]):04}.jpg")
        for parts in lines
        if len(parts) == 3
    ]


def genuine_pairs(names: list[str]) -> np.ndarray:
    number = {name: index for index, name in enumerate(names)}
    return np.array([[number[a], number[b]] for a, b in matched_names() if a in number and b in number])


class Level:
    """The pairs left at one share: genuine pairs with their person, and the closest impostor pairs."""

    def __init__(self, points: np.ndarray, people: np.ndarray, genuine: np.ndarray, photos: np.ndarray):
        self.person = people[genuine[:, 0]]
        self.distances = ((points[genuine[:, 0]] - points[genuine[:, 1]]) ** 2).sum(axis=1)
        some = np.random.default_rng(0).choice(photos, min(len(photos), 3000), replace=False)
        self._owners, self._people = people[some], int(people.max()) + 1
        a, b = np.nonzero(np.triu(self._owners[:, None] != self._owners[None, :], 1))
        others = squared_distances(points[some], points[some])[a, b]
        # More impostor pairs than any bootstrap round needs for its threshold.
        nearest = np.argpartition(others, int(20 * FAR * len(others)))[: int(20 * FAR * len(others))]
        nearest = nearest[np.argsort(others[nearest], kind="stable")]
        self._nearest, self._a, self._b = others[nearest], self._owners[a[nearest]], self._owners[b[nearest]]

    def threshold(self, drawn: np.ndarray) -> float:
        """Return the threshold at the FAR in a bootstrap round."""
        own = drawn * np.bincount(self._owners, minlength=self._people)
        whole = (own.sum() ** 2 - (own**2).sum()) / 2
        below = np.cumsum(drawn[self._a] * drawn[self._b])
        return float(self._nearest[min(np.searchsorted(below, FAR * whole), len(below) - 1)])

    def missed(self, drawn: np.ndarray, threshold: float) -> float:
        """Return the FNMR at a threshold in a bootstrap round."""
        return float(np.average(self.distances > threshold, weights=drawn[self.person]))


@dataclasses.dataclass
class Curve:
    """Compute FNMR at each discarded share, with a new threshold and with that of all pairs, and its reduction.

    The reduction is relative to the FNMR of all pairs.
    """

    renewed: list[Interval]
    fixed: list[Interval]
    fall_anew: list[Interval]
    fall_fixed: list[Interval]


def curve(points: np.ndarray, people: np.ndarray, genuine: np.ndarray, quality: np.ndarray, rounds: int) -> Curve:
    """Compute FNMR after discarding each share of the genuine pairs, and of the photos of impostor pairs."""
    worth = quality[genuine].min(axis=1)
    levels = []
    for share in SHARES:
        # A stable sort discards exactly the share, also among equal qualities.
        kept = np.argsort(-worth, kind="stable")[: round(len(worth) * (1 - share))]
        good = np.flatnonzero(quality >= worth[kept].min()) if share else np.arange(len(quality))
        levels.append(Level(points, people, genuine[kept], good))

    def rates(drawn: np.ndarray) -> np.ndarray:
        first = levels[0].threshold(drawn)
        both = np.array([[level.missed(drawn, t) for t in (level.threshold(drawn), first)] for level in levels]).T
        return np.concatenate([both, both[:, :1] - both])

    count = int(people.max()) + 1
    values = rates(np.ones(count, int))
    samples = np.array([rates(drawn) for drawn in draws(count, rounds, 0)])
    return Curve(
        *(
            [interval(values[row, at], samples[:, row, at]) for at in range(len(SHARES))]
            if rounds
            else [Interval(value, np.nan, np.nan) for value in values[row]]
            for row in range(4)
        )
    )


def plot(curves: dict[str, Curve], path: str) -> None:
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 3.8), layout="constrained")
    shares = [100 * share for share in SHARES]
    for name, found in curves.items():
        (line,) = axes.plot(shares, [100 * rate.value for rate in found.fixed], "o-", label=name)
        if name == "quality":
            bounds = [(100 * rate.low, 100 * rate.high) for rate in found.fixed]
            axes.fill_between(shares, *np.array(bounds).T, alpha=0.15)
            renewed = [100 * rate.value for rate in found.renewed]
            axes.plot(shares, renewed, "--", color=line.get_color(), label="quality, new threshold")
    axes.set(xlabel="discarded pairs, % (worst first)", ylabel="FNMR at FAR 0.001, %", ylim=(0, None))
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model")
    parser.add_argument("--embeddings")
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--plot")
    options = parser.parse_args()
    space = None if options.embeddings else load(options.model, threads=1)
    if space and not CROPS[space.card.crop].needs_landmarks:
        sys.exit(f"the crop {space.card.crop!r} does not use landmarks: give --embeddings")
    names, measures, points = measured(space)
    if points is None:
        with zipfile.ZipFile(DATA / "lfw.zip") as archive:
            rows = {row: at for at, row in enumerate(sorted(n for n in archive.namelist() if n.endswith(".jpg")))}
        every = np.load(options.embeddings).astype(np.float32)
        points = normalise(every[[rows[f"lfw/{name}"] for name in names]])
    people = np.unique([name.split("/")[0] for name in names], return_inverse=True)[1]
    genuine = genuine_pairs(names)
    measures["chance"] = np.random.default_rng(1).random(len(names))
    curves = {
        name: curve(points, people, genuine, quality, options.rounds if name == "quality" else 0)
        for name, quality in measures.items()
    }
    print(f"{space.card.name if space else options.embeddings}: {len(genuine):,} pairs, FNMR at FAR {FAR:g}")
    print("discarded: " + ", ".join(f"{share:.0%}" for share in SHARES))
    for name, found in curves.items():
        for how, rates in (("new", found.renewed), ("of all pairs", found.fixed)):
            print(f"threshold {how}, by {name}: " + ", ".join(f"{rate.value:.2%}" for rate in rates))
    found = curves["quality"]
    for what, rates in (
        ("by quality, new threshold", found.renewed),
        ("by quality, threshold of all pairs", found.fixed),
        ("reduction, new threshold", found.fall_anew),
        ("reduction, threshold of all pairs", found.fall_fixed),
    ):
        print(f"{what}, 95 %: " + ", ".join(f"{rate.low:.2%} to {rate.high:.2%}" for rate in rates))
    if options.plot:
        plot(curves, options.plot)


if __name__ == "__main__":
    main()
