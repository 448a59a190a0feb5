"""Fit the quality score of a face: prints WEIGHTS and RISKS for facespace/faces/quality.py.

Fits on the training people of ../shared/data and tests on its validation people, never on LFW. Two kinds of faces are
used: ordinary ones, with the distance of their teacher embedding to the mean of the person's other faces; and degraded
ones (smaller, blurred, dark, JPEG, partly covered, too bright), embedded by a strong model and compared with the same
mean. The logarithm of the squared distance is modelled as linear in `features` by ridge regression on both kinds, each
with its own intercept. Also prints the error-versus-discard curve on validation people, for these weights and for the
current ones.

    python benchmarks/fit_quality.py dlib-resnet.onnx [--people 1500 --damaged 1400]
"""

import argparse
import collections
import csv
import io
import zipfile
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFilter

from facespace.faces import default_finder
from facespace.faces.quality import WEIGHTS, Quality, features
from facespace.metric import squared_distances
from facespace.space import load
from lfw_photos import DATA

# Total weight of the ordinary faces relative to that of the degraded ones.
ORDINARY = 4.0
FAR = 1e-3
SHARES = (0.0, 0.1, 0.2, 0.3, 0.4)

Rows = list[dict[str, str]]


class Sample(NamedTuple):
    """Faces: features (n, k), log squared distance to the person's other faces (n,), rows of the teacher."""

    features: np.ndarray
    apart: np.ndarray
    rows: np.ndarray


def worse(face: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Degrade a face in one of seven ways; the first leaves it unchanged."""
    kind, pixels = int(rng.integers(7)), np.asarray(face).astype(float)
    if kind == 1:
        side = int(rng.integers(30, 90))
        return face.resize((side, side), Image.Resampling.BILINEAR)
    if kind == 2:
        return face.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.5, 4))))
    if kind == 3:
        pixels = pixels * rng.uniform(0.04, 0.4) + rng.normal(0, rng.uniform(1, 6), pixels.shape)
    if kind == 4:
        target = io.BytesIO()
        face.save(target, "JPEG", quality=int(rng.integers(4, 25)))
        return Image.open(target).convert("RGB")
    if kind == 5:
        width, height = rng.integers(20, 60, 2)
        x, y = rng.integers(20, 108 - width), rng.integers(20, 108 - height)
        pixels[y : y + height, x : x + width] = rng.integers(20, 200, 3)
    if kind == 6:
        pixels = pixels * rng.uniform(1.3, 2.6)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def row_of(quality: Quality, score: float, scale: float) -> np.ndarray:
    """Compute `features` of a face that was enlarged by a factor `scale` when the data set was made."""
    return features(
        quality.eye_distance / scale,
        quality.sharpness,
        quality.brightness,
        quality.contrast,
        quality.occlusion,
        quality.yaw,
        quality.pitch,
        score,
    )


def apart(point: np.ndarray, others: np.ndarray) -> float:
    """Compute the squared distance of a face to the mean of the person's other faces."""
    mean, own = others.mean(axis=0), point / np.linalg.norm(point)
    return float(((own - mean / np.linalg.norm(mean)) ** 2).sum())


Judged = tuple[np.ndarray, float, int]


def ordinary(people: list[Rows], teacher: np.ndarray, photo: "Photos") -> Iterator[Judged]:
    finder = default_finder()
    for rows in people:
        numbers = [int(row["teacher_row"]) for row in rows]
        points = teacher[numbers]
        for index, row in enumerate(rows):
            faces = finder.find(photo(row)).faces
            if faces:
                face = max(faces, key=lambda face: face.quality.eye_distance)
                seen = row_of(face.quality, face.score, float(row["scale"]))
                yield seen, apart(points[index], np.delete(points, index, axis=0)), numbers[index]


def damaged(
    people: list[Rows], teacher: np.ndarray, photo: "Photos", model: str, rng: np.random.Generator
) -> Iterator[Judged]:
    space = load(model, threads=1)
    for rows in people:
        index = int(rng.integers(len(rows)))
        faces = space.faces(worse(photo(rows[index]), rng))
        if faces:
            face = max(faces, key=lambda face: face.quality.eye_distance)
            others = teacher[[int(row["teacher_row"]) for at, row in enumerate(rows) if at != index]]
            # The last component only makes the norm 1 (docs/how-to/get-a-model.md).
            point = face.embedding[: teacher.shape[1]]
            seen = row_of(face.quality, face.score, float(rows[index]["scale"]))
            yield seen, apart(point, others), int(rows[index]["teacher_row"])


def fitted(usual: Sample, spoilt: Sample) -> np.ndarray:
    """Fit common slopes by ridge regression, with a separate intercept for each kind of faces."""
    level = np.repeat([[1.0, 0.0], [0.0, 1.0]], [len(usual.apart), len(spoilt.apart)], axis=0)
    weight = np.repeat([ORDINARY * len(spoilt.apart) / len(usual.apart), 1.0], [len(usual.apart), len(spoilt.apart)])
    rows = np.concatenate([level, np.concatenate([usual.features, spoilt.features])], axis=1)
    strength = np.diag([0.0, 0.0] + [1.0] * usual.features.shape[1])
    target = np.concatenate([usual.apart, spoilt.apart])
    return np.linalg.solve((rows.T * weight) @ rows + strength, (rows.T * weight) @ target)[2:]


def discarded(points: np.ndarray, people: np.ndarray, risk: np.ndarray) -> tuple[list[float], list[float]]:
    """Compute FNMR after discarding the worst genuine pairs, with a new threshold and with that of all pairs."""
    a, b = np.triu_indices(len(points), 1)
    distances, same = squared_distances(points, points)[a, b], people[a] == people[b]
    worst = np.maximum(risk[a], risk[b])
    first = np.quantile(distances[~same], FAR)
    renewed, fixed = [], []
    for share in SHARES:
        limit = np.quantile(worst[same], 1 - share)
        kept, others = distances[same & (worst <= limit)], distances[~same & (worst <= limit)]
        renewed.append(float((kept > np.quantile(others, FAR)).mean()))
        fixed.append(float((kept > first).mean()))
    return renewed, fixed


class Photos:
    """Return the aligned faces of ../shared/data by row."""

    def __init__(self) -> None:
        self._archives = {split: zipfile.ZipFile(DATA / f"{split}.zip") for split in ("train", "val")}

    def __call__(self, row: dict[str, str]) -> Image.Image:
        return Image.open(io.BytesIO(self._archives[row["split"]].read(row["path"]))).convert("RGB")


def ranks(values: np.ndarray) -> np.ndarray:
    return values.argsort().argsort().astype(float)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--people", type=int, default=1500)
    parser.add_argument("--damaged", type=int, default=1400)
    options = parser.parse_args()
    rng, photo = np.random.default_rng(0), Photos()
    teacher = np.load(DATA / "teacher.npy").astype(np.float32)
    teacher /= np.linalg.norm(teacher, axis=1, keepdims=True)
    by_person: dict[tuple[str, str], Rows] = collections.defaultdict(list)
    with (DATA / "faces.csv").open() as file:
        for row in csv.DictReader(file):
            by_person[(row["split"], row["person"])].append(row)
    parts: dict[tuple[str, str], Sample] = {}
    for split, share in (("train", 1.0), ("val", 0.3)):
        people = [rows for (of, _), rows in sorted(by_person.items()) if of == split and len(rows) >= 4]
        people = [people[index] for index in rng.permutation(len(people))]
        spoilt = (people * options.damaged)[: round(options.damaged * share)]
        # Use all validation people: they are few, and the curve needs many pairs.
        usual = people[: options.people] if split == "train" else people
        for kind, found in (
            ("ordinary", ordinary(usual, teacher, photo)),
            ("damaged", damaged(spoilt, teacher, photo, options.model, rng)),
        ):
            rows, distances, numbers = zip(*found, strict=True)
            parts[split, kind] = Sample(np.stack(rows), np.log(np.array(distances)), np.array(numbers))
    slopes = fitted(parts["train", "ordinary"], parts["train", "damaged"])
    print("WEIGHTS =", slopes.round(3).tolist())
    tenths = np.quantile(parts["train", "ordinary"].features @ slopes, np.linspace(0, 1, 11))
    print("RISKS =", tenths.round(3).tolist())
    person = {int(row["teacher_row"]): number for number, rows in enumerate(by_person.values()) for row in rows}
    for name, weights in (("fitted now", slopes), ("in use", WEIGHTS)):
        for (split, kind), sample in parts.items():
            agreement = np.corrcoef(ranks(sample.features @ weights), ranks(sample.apart))[0, 1]
            print(f"{name}: {split}, {kind}: {len(sample.apart)} faces, rank correlation with distance {agreement:.2f}")
        usual = parts["val", "ordinary"]
        own = np.array([person[row] for row in usual.rows])
        curves = discarded(teacher[usual.rows], own, usual.features @ weights)
        for how, curve in zip(("new", "of all pairs"), curves, strict=True):
            shares = ", ".join(f"{share:.0%}: {rate:.2%}" for share, rate in zip(SHARES, curve, strict=True))
            print(f"{name}: validation, FNMR at FAR {FAR:g}, threshold {how}, left out {shares}")


if __name__ == "__main__":
    main()
