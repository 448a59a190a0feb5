"""Fits the one number of a face's quality: prints WEIGHTS and RISKS of facespace/faces/quality.py.

Never on LFW: on people of ../shared/data's train, judged on its validation people. Two kinds of faces tell what lowers
recognition: ordinary ones, by the distance of their teacher embedding to the mean of the person's others; and ones
made worse on purpose (smaller, blurred, dark, JPEG, partly covered, too bright), embedded by a strong model and
compared with the same mean. The logarithm of the squared distance is linear in `features`, by ridge regression in two
steps: size, pose and score on ordinary faces, then sharpness and light on both.

    python benchmarks/fit_quality.py MODEL [--people 700 --damaged 1500]
"""

import argparse
import collections
import csv
import io
import zipfile
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageFilter

from facespace.embed import load
from facespace.faces import default_finder
from facespace.faces.quality import Quality, features
from lfw_photos import DATA

# Columns of `features`: size, yaw, pitch and score; sharpness, too dark, too bright.
GEOMETRY, LIGHT = [0, 4, 5, 6], [1, 2, 3]
# All ordinary faces together count as half of all damaged ones.
ORDINARY = 0.5

Rows = list[dict[str, str]]


def worse(face: Image.Image, rng: np.random.Generator) -> Image.Image:
    """A face made worse in one of seven ways, of which the first is not at all."""
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


def row_of(quality: Quality, score: float, eye_distance: float) -> np.ndarray:
    return features(
        eye_distance,
        quality.sharpness,
        quality.brightness,
        quality.yaw,
        quality.pitch,
        score,
    )


def apart(point: np.ndarray, others: np.ndarray) -> float:
    """Squared distance of a face to the mean of the person's others."""
    mean, own = others.mean(axis=0), point / np.linalg.norm(point)
    return float(((own - mean / np.linalg.norm(mean)) ** 2).sum())


def ordinary(people: list[Rows], teacher: np.ndarray, photo: "Photos") -> Iterator[tuple[np.ndarray, float]]:
    finder = default_finder()
    for rows in people:
        points = teacher[[int(row["teacher_row"]) for row in rows]]
        for index, row in enumerate(rows):
            faces = finder.find(photo(row)).faces
            if faces:
                face = max(faces, key=lambda face: face.quality.eye_distance)
                eyes = face.quality.eye_distance / float(row["scale"])
                yield row_of(face.quality, face.score, eyes), apart(points[index], np.delete(points, index, axis=0))


def damaged(
    people: list[Rows], teacher: np.ndarray, photo: "Photos", model: str, rng: np.random.Generator
) -> Iterator[tuple[np.ndarray, float]]:
    space = load(model)
    for rows in people:
        index = int(rng.integers(len(rows)))
        faces = space.faces(worse(photo(rows[index]), rng))
        if faces:
            face = max(faces, key=lambda face: face.quality.eye_distance)
            others = teacher[[int(row["teacher_row"]) for at, row in enumerate(rows) if at != index]]
            eyes = face.quality.eye_distance / float(rows[index]["scale"])
            # The model's last number only keeps its length (docs/models.md).
            point = face.embedding[: teacher.shape[1]]
            yield row_of(face.quality, face.score, eyes), apart(point, others)


def ridge(rows: np.ndarray, target: np.ndarray, free: int, weight: np.ndarray) -> np.ndarray:
    """Slopes by ridge regression; the first columns are levels, which are free."""
    strength = np.diag([0.0] * free + [1.0] * (rows.shape[1] - free))
    return np.linalg.solve((rows.T * weight) @ rows + strength, (rows.T * weight) @ target)[free:]


def fitted(rows: np.ndarray, target: np.ndarray, spoilt: np.ndarray, spoilt_target: np.ndarray) -> np.ndarray:
    """What size, pose and score do is read off ordinary faces; of what is left, what blur and light do off both."""
    slopes = np.zeros(rows.shape[1])
    first = np.concatenate([np.ones((len(rows), 1)), rows[:, GEOMETRY]], axis=1)
    slopes[GEOMETRY] = ridge(first, target, 1, np.ones(len(rows)))
    left = np.concatenate([target - rows @ slopes, spoilt_target - spoilt @ slopes])
    # Two sources of distances: each has a level of its own, the slopes are common.
    level = np.repeat([[1.0, 0.0], [0.0, 1.0]], [len(rows), len(spoilt)], axis=0)
    weight = np.repeat([ORDINARY * len(spoilt) / len(rows), 1.0], [len(rows), len(spoilt)])
    second = np.concatenate([level, np.concatenate([rows, spoilt])[:, LIGHT]], axis=1)
    slopes[LIGHT] = ridge(second, left, 2, weight)
    return slopes


class Photos:
    """The aligned faces of ../shared/data by their row."""

    def __init__(self) -> None:
        self._archives = {split: zipfile.ZipFile(DATA / f"{split}.zip") for split in ("train", "val")}

    def __call__(self, row: dict[str, str]) -> Image.Image:
        return Image.open(io.BytesIO(self._archives[row["split"]].read(row["path"]))).convert("RGB")


def ranks(values: np.ndarray) -> np.ndarray:
    return values.argsort().argsort().astype(float)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--people", type=int, default=700)
    parser.add_argument("--damaged", type=int, default=1500)
    options = parser.parse_args()
    rng, photo = np.random.default_rng(0), Photos()
    teacher = np.load(DATA / "teacher.npy").astype(np.float32)
    teacher /= np.linalg.norm(teacher, axis=1, keepdims=True)
    by_person: dict[tuple[str, str], Rows] = collections.defaultdict(list)
    with (DATA / "faces.csv").open() as file:
        for row in csv.DictReader(file):
            by_person[(row["split"], row["person"])].append(row)
    parts = {}
    for split, share in (("train", 1.0), ("val", 0.3)):
        people = [rows for (of, _), rows in sorted(by_person.items()) if of == split and len(rows) >= 4]
        people = [people[index] for index in rng.permutation(len(people))]
        for kind, found in (
            ("ordinary", ordinary(people[: round(options.people * share)], teacher, photo)),
            ("damaged", damaged(people[: round(options.damaged * share)], teacher, photo, options.model, rng)),
        ):
            rows, distances = zip(*found, strict=True)
            parts[split, kind] = np.stack(rows), np.log(np.array(distances))
    slopes = fitted(*parts["train", "ordinary"], *parts["train", "damaged"])
    a = parts["train", "ordinary"]
    print("WEIGHTS =", slopes.round(3).tolist())
    print("RISKS =", np.quantile(a[0] @ slopes, np.linspace(0, 1, 11)).round(3).tolist())
    for (split, kind), (rows, distances) in parts.items():
        agreement = np.corrcoef(ranks(rows @ slopes), ranks(distances))[0, 1]
        print(f"{split}, {kind}: {len(rows)} faces, rank correlation of risk and distance {agreement:.2f}")


if __name__ == "__main__":
    main()
