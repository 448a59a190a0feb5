"""Claim: the quality of a face predicts errors: leaving out the worst pairs lowers the false non-match rate.

The error-versus-discard curve on LFW's View 2 (pairs.txt): a pair is as good as its worse face; the worst shares are
left out, by quality, and at each share the FNMR at FAR 1e-3 is measured: with the threshold anew (from the impostor
pairs of up to 3,000 of the photos that are left, so that 1e-3 is more than a few pairs) and with that of all photos.
Only photos of the matched pairs take part. By chance the curve would be flat. The embeddings are those of a strong
network; the quality is that of the default detector's face nearest to the one that lfw_landmarks.csv marks, and was
fitted on other people: docs/decisions/011-quality.md.

    python benchmarks/quality.py EMBEDDINGS.npy [--plot docs/images/discard.svg]

EMBEDDINGS.npy has a row a photo of LFW in the order of their names, as benchmarks/lfw_embeddings.py writes it.
"""

import argparse
import dataclasses
import zipfile

import numpy as np

from facespace.faces import Mtcnn
from facespace.faces.quality import judge
from facespace.metric import normalise, squared_distances
from lfw_photos import DATA, lfw_photos

SHARES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
FAR = 1e-3


def qualities() -> tuple[list[str], dict[str, np.ndarray]]:
    """Of the main face of each photo: the value and, for comparison, single measures; higher is better.

    A photo whose main face the default detector does not find is worth nothing.
    """
    names: list[str] = []
    measures: dict[str, list[float]] = {name: [] for name in ("quality", "detector score", "eye distance", "sharpness")}
    wanted = {name for pair in matched_names() for name in pair}
    detector = Mtcnn()
    for name, image, truth in lfw_photos():
        if name not in wanted:
            continue
        names.append(name)
        found = detector([image])[0]
        near = np.linalg.norm(found.landmarks - truth, axis=2).mean(axis=1) if len(found.boxes) else np.array([np.inf])
        values = (0.0, 0.0, 0.0, 0.0)
        if near.min() < np.linalg.norm(truth[1] - truth[0]) / 2:
            score = float(found.scores[near.argmin()])
            face = judge(image, found.landmarks[near.argmin()], score)
            values = (face.value, score, face.eye_distance, face.sharpness)
        for measure, value in zip(measures.values(), values, strict=True):
            measure.append(value)
    return names, {name: np.array(values) for name, values in measures.items()}


def matched_names() -> list[tuple[str, str]]:
    """The photos of each matched pair."""
    lines = [line.split() for line in (DATA / "pairs.txt").read_text().splitlines()[1:]]
    return [
        (f"{parts[0]}/{parts[0]}_{int(parts[1]):04}.jpg", f"{parts[0]}/{parts[0]}_{int(parts[2]):04}.jpg")
        for parts in lines
        if len(parts) == 3
    ]


def genuine_pairs(names: list[str]) -> np.ndarray:
    number = {name: index for index, name in enumerate(names)}
    return np.array([[number[a], number[b]] for a, b in matched_names() if a in number and b in number])


@dataclasses.dataclass
class Curve:
    """FNMR after leaving out each share, with the threshold measured anew and with that of all pairs; pairs kept."""

    anew: list[float]
    fixed: list[float]
    kept: list[int]


def curve(points: np.ndarray, people: np.ndarray, genuine: np.ndarray, quality: np.ndarray) -> Curve:
    """FNMR at the FAR after leaving out each share of the genuine pairs, and of the photos for the impostors."""
    worth = quality[genuine].min(axis=1)
    distances = ((points[genuine[:, 0]] - points[genuine[:, 1]]) ** 2).sum(axis=1)
    found, first = Curve([], [], []), None
    for share in SHARES:
        # Of equal qualities as many go as the share says, by position: a stable order keeps the count exact.
        kept = np.argsort(-worth, kind="stable")[: round(len(worth) * (1 - share))]
        good = np.flatnonzero(quality >= worth[kept].min()) if share else np.arange(len(quality))
        rng = np.random.default_rng(0)
        some = rng.choice(good, min(len(good), 3000), replace=False)
        all_distances = squared_distances(points[some], points[some])
        others = all_distances[np.triu(people[some][:, None] != people[some][None, :], 1)]
        threshold = float(np.quantile(others, FAR))
        first = first or threshold
        found.anew.append(float((distances[kept] > threshold).mean()))
        found.fixed.append(float((distances[kept] > first).mean()))
        found.kept.append(len(kept))
    return found


def interval(rate: float, count: int) -> tuple[float, float]:
    """Of 95 % (Wilson, 1927)."""
    z = 1.96
    middle, half = rate + z * z / (2 * count), z * np.sqrt(rate * (1 - rate) / count + z * z / (4 * count * count))
    return (middle - half) / (1 + z * z / count), (middle + half) / (1 + z * z / count)


def plot(curves: dict[str, Curve], path: str) -> None:
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 3.8), layout="constrained")
    shares = [100 * share for share in SHARES]
    for name, found in curves.items():
        (line,) = axes.plot(shares, [100 * rate for rate in found.fixed], "o-", label=name)
        if name == "quality":
            bounds = [interval(rate, count) for rate, count in zip(found.fixed, found.kept, strict=True)]
            axes.fill_between(shares, *(100 * np.array(bounds).T), alpha=0.15)
            anew = [100 * rate for rate in found.anew]
            axes.plot(shares, anew, "--", color=line.get_color(), label="quality, threshold measured anew")
    axes.set(xlabel="pairs left out, % (worst first)", ylabel="FNMR at FAR 0.001, %", ylim=(0, None))
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("embeddings")
    parser.add_argument("--plot")
    options = parser.parse_args()
    names, measures = qualities()
    with zipfile.ZipFile(DATA / "lfw.zip") as archive:
        rows = {name: row for row, name in enumerate(sorted(n for n in archive.namelist() if n.endswith(".jpg")))}
    every = np.load(options.embeddings).astype(np.float32)
    points = normalise(every[[rows[f"lfw/{name}"] for name in names]])
    people = np.unique([name.split("/")[0] for name in names], return_inverse=True)[1]
    genuine = genuine_pairs(names)
    measures["chance"] = np.random.default_rng(1).random(len(names))
    curves = {name: curve(points, people, genuine, quality) for name, quality in measures.items()}
    print("left out: " + ", ".join(f"{share:.0%}" for share in SHARES))
    for name, found in curves.items():
        for how, rates in (("anew", found.anew), ("of all pairs", found.fixed)):
            print(f"FNMR at FAR {FAR:g}, threshold {how}, by {name}: " + ", ".join(f"{rate:.2%}" for rate in rates))
    bounds = [interval(*pair) for pair in zip(curves["quality"].fixed, curves["quality"].kept, strict=True)]
    print("by quality, threshold of all pairs, 95 %: " + ", ".join(f"{low:.2%} to {high:.2%}" for low, high in bounds))
    if options.plot:
        plot(curves, options.plot)


if __name__ == "__main__":
    main()
