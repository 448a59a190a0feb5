"""Claim: the quality of a face predicts errors: leaving out the worst pairs lowers the false non-match rate.

The error-versus-discard curve on LFW's View 2 (pairs.txt): a pair is as good as its worse face; the worst shares are
left out, by quality, and at each share the FNMR at FAR 1e-3 is measured anew (threshold from the impostor pairs of the
photos that are left, all of them, so that 1e-3 is more than a few pairs). By chance the curve would be flat. The
embeddings are those of a strong network; the quality was fitted on other people: docs/decisions/011-quality.md.

    python benchmarks/quality.py EMBEDDINGS.npy [--plot docs/images/discard.svg]

EMBEDDINGS.npy has a row a photo of LFW in the order of their names, as benchmarks/lfw_embeddings.py writes it.
"""

import argparse
import csv
import zipfile

import numpy as np

from facespace.faces.quality import judge
from facespace.metric import normalise, squared_distances
from lfw_photos import DATA, lfw_photos

SHARES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
FAR = 1e-3


def qualities() -> tuple[list[str], dict[str, np.ndarray]]:
    """Of the main face of each photo: the value and, for comparison, single measures; higher is better.

    Where the face is, and the detector's score, is read from lfw_landmarks.csv, as for the embeddings.
    """
    names: list[str] = []
    measures: dict[str, list[float]] = {name: [] for name in ("quality", "detector score", "eye distance", "sharpness")}
    with (DATA / "lfw_landmarks.csv").open() as file:
        scores = {row["path"]: float(row["score"]) for row in csv.DictReader(file)}
    for name, image, points in lfw_photos():
        names.append(name)
        face = judge(image, points, scores[name])
        for measure, value in zip(
            measures.values(), (face.value, scores[name], face.eye_distance, face.sharpness), strict=True
        ):
            measure.append(value)
    return names, {name: np.array(values) for name, values in measures.items()}


def genuine_pairs(names: list[str]) -> np.ndarray:
    number = {name: index for index, name in enumerate(names)}
    pairs = []
    for line in (DATA / "pairs.txt").read_text().splitlines()[1:]:
        parts = line.split()
        if len(parts) == 3:
            person, a, b = parts
            photos = [f"{person}/{person}_{int(n):04}.jpg" for n in (a, b)]
            if all(photo in number for photo in photos):
                pairs.append([number[photo] for photo in photos])
    return np.array(pairs)


def curve(points: np.ndarray, people: np.ndarray, genuine: np.ndarray, quality: np.ndarray) -> list[float]:
    """FNMR at the FAR after leaving out each share of the genuine pairs, and of the photos for the impostors."""
    worth = quality[genuine].min(axis=1)
    distances = ((points[genuine[:, 0]] - points[genuine[:, 1]]) ** 2).sum(axis=1)
    rates = []
    for share in SHARES:
        # Of equal qualities as many go as the share says, by position: a stable order keeps the count exact.
        kept = np.argsort(-worth, kind="stable")[: round(len(worth) * (1 - share))]
        floor = worth[kept].min()
        good = np.flatnonzero(quality >= floor)
        rng = np.random.default_rng(0)
        some = rng.choice(good, min(len(good), 3000), replace=False)
        all_distances = squared_distances(points[some], points[some])
        others = all_distances[np.triu(people[some][:, None] != people[some][None, :], 1)]
        rates.append(float((distances[kept] > np.quantile(others, FAR)).mean()))
    return rates


def plot(curves: dict[str, list[float]], path: str) -> None:
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 3.8), layout="constrained")
    for name, rates in curves.items():
        axes.plot([100 * share for share in SHARES], [100 * rate for rate in rates], "o-", label=name)
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
    for name, rates in curves.items():
        print(f"FNMR at FAR {FAR:g}, by {name}: " + ", ".join(f"{rate:.2%}" for rate in rates))
    if options.plot:
        plot(curves, options.plot)


if __name__ == "__main__":
    main()
