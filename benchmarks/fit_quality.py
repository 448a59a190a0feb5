"""Fits the one number of a face's quality: prints WEIGHTS and RISKS of facespace/faces/quality.py.

Never on LFW: on people of ../shared/data's train, judged on its validation people. Two kinds of faces tell what lowers
recognition: ordinary ones, by the distance of their teacher embedding to the mean of the person's others; and ones
made worse on purpose (smaller, blurred, dark, JPEG, partly covered, too bright), embedded by a strong model and
compared with the same mean. The logarithm of the squared distance is linear in `features`, by ridge regression.

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

# Ordinary faces are several times as many as damaged ones; so weighted, the two count about the same.
ORDINARY = 0.4

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
        quality.contrast,
        quality.occlusion,
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
    a, b = parts["train", "ordinary"], parts["train", "damaged"]
    x, y = np.concatenate([a[0], b[0]]), np.concatenate([a[1], b[1]])
    # Two sources of distances: each has a level of its own, the slopes are common.
    source = np.repeat([[1.0, 0.0], [0.0, 1.0]], [len(a[0]), len(b[0])], axis=0)
    weight = np.repeat([ORDINARY, 1.0], [len(a[0]), len(b[0])])
    full = np.concatenate([source, x], axis=1)
    ridge = np.diag([0.0, 0.0] + [1.0] * x.shape[1])
    solution = np.linalg.solve((full.T * weight) @ full + ridge, (full.T * weight) @ y)
    slopes = solution[2:]
    print("WEIGHTS =", slopes.round(3).tolist())
    print("RISKS =", np.quantile(a[0] @ slopes, np.linspace(0, 1, 11)).round(3).tolist())
    for (split, kind), (rows, distances) in parts.items():
        agreement = np.corrcoef(ranks(rows @ slopes), ranks(distances))[0, 1]
        print(f"{split}, {kind}: {len(rows)} faces, rank correlation of risk and distance {agreement:.2f}")


if __name__ == "__main__":
    main()
