"""Add unnamed faces to the training data, with embeddings in the space of the teacher.

    python benchmarks/more_faces.py PHOTOS NETWORK [--data ../shared/data] [--out runs/more]

PHOTOS is a folder of FairFace's training part (NUMBER.jpg, one face in each; 40,000 of them are in
github:sumanvithaeadala/EthnicityDetection, fair_face/train). NETWORK is a folder with model-0000.params and
model-symbol.json of a MobileFaceNet trained on refined MS-Celeb-1M (models in github:liguiyuan/mobilefacenet-ncnn).

Finds the face in each photo that the data do not have yet, aligns it as theirs, and embeds it with the network. A
linear map, fitted on faces whose teacher's embedding is known, brings these embeddings into the teacher's space. Prints
the cosine to the teacher on faces that the map was not fitted on. OUT gets train.zip, val.zip, extra.zip, faces.csv and
teacher.npy, to train with --data OUT.
"""

import argparse
import csv
import io
import zipfile
from pathlib import Path

import numpy as np
import PIL.Image
import torch
from numpy.typing import NDArray
from rich.progress import track

from facespace.faces import OneShot
from facespace.faces.align import TemplateCrop
from facespace.images import read_image
from facespace.metric import normalise
from mxnet_network import MxnetNetwork

# Side of a stored face, of which the network sees the middle.
STORED, SEEN = 128, 112
MARGIN = (STORED - SEEN) // 2
# Faces that the map is fitted on; every tenth only tests it.
FITTED = {"extra": 6000, "train": 4000}
BATCH = 32
# Keeps the fit stable along directions that the network hardly uses.
RIDGE = 1e-3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("network", type=Path)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("runs/more"))
    parser.add_argument("--limit", type=int, help="look at so many photos only")
    given = parser.parse_args()
    network = MxnetNetwork(given.network / "model-symbol.json", given.network / "model-0000.params")
    with (given.data / "faces.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    points = np.load(given.data / "teacher.npy")
    matrix = fitted(network, given.data, rows, points)
    numbers, faces = new_faces(given.photos, rows, given.limit)
    mapped = into_space(embedded(network, faces), matrix)
    given.out.mkdir(parents=True, exist_ok=True)
    for name in ("train.zip", "val.zip"):
        if not (given.out / name).exists():
            (given.out / name).symlink_to((given.data / name).absolute())
    write_faces(given.out / "extra.zip", given.data / "extra.zip", numbers, faces)
    np.save(given.out / "teacher.npy", np.concatenate([points, mapped.astype(points.dtype)]))
    with (given.out / "faces.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, rows[0].keys())
        table.writeheader()
        table.writerows(rows)
        for row, number in enumerate(numbers, start=len(points)):
            table.writerow(
                {
                    "path": f"extra/{number}.webp", "person": f"extra-{number}", "split": "extra", "source": "fairface",
                    "scale": "", "teacher_row": row, "found_by": "one-shot",
                }
            )  # fmt: skip
    print(f"{len(numbers)} faces added in {given.out}")


def fitted(
    network: MxnetNetwork, data: Path, rows: list[dict[str, str]], points: NDArray[np.float16]
) -> NDArray[np.float64]:
    """The linear map (d + 1, 128) from the network's embeddings to the teacher's."""
    rng = np.random.default_rng(0)
    chosen = []
    for split, count in FITTED.items():
        own = [row for row in rows if row["split"] == split]
        chosen += [own[place] for place in np.sort(rng.permutation(len(own))[:count])]
    archives = {split: zipfile.ZipFile(data / f"{split}.zip") for split in FITTED}
    pixels = np.stack(
        [read_image(archives[row["split"]].read(row["path"])) for row in track(chosen, "reading known faces")]
    )
    known = points[[int(row["teacher_row"]) for row in chosen]].astype(np.float64)
    inputs = with_one(embedded(network, pixels))
    tested = np.arange(len(chosen)) % 10 == 0

    def solve(which: NDArray[np.bool_]) -> NDArray[np.float64]:
        squares = inputs[which].T @ inputs[which] + RIDGE * np.eye(inputs.shape[1])
        return np.linalg.solve(squares, inputs[which].T @ known[which])

    cosines = (normalise(inputs @ solve(~tested)) * known).sum(axis=1)
    for split in FITTED:
        of_split = np.array([row["split"] == split for row in chosen])
        print(f"cosine to the teacher on other faces of {split}: {cosines[tested & of_split].mean():.3f}")
    return solve(np.ones(len(chosen), bool))


def new_faces(photos: Path, rows: list[dict[str, str]], limit: int | None) -> tuple[list[str], NDArray[np.uint8]]:
    """The numbers and the aligned faces of photos that the data do not have; the largest face of each photo."""
    had = {Path(row["path"]).stem for row in rows if row["split"] == "extra"}
    wanted = [path for path in sorted(photos.iterdir(), key=lambda path: path.name) if number_of(path) not in had]
    detector, crop = OneShot(), TemplateCrop("arcface-112", "black", MARGIN / SEEN)
    numbers, faces, missed = [], [], 0
    for path in track(wanted[:limit], "finding faces"):
        image = read_image(path.read_bytes())
        (found,) = detector([image])
        if not len(found.boxes):
            missed += 1
            continue
        assert found.landmarks is not None
        largest = int(np.argmax(np.prod(found.boxes[:, 2:] - found.boxes[:, :2], axis=1)))
        numbers.append(number_of(path))
        faces.append(crop(image, found.boxes[largest], found.landmarks[largest], STORED, STORED))
    print(f"no face found in {missed} of {len(numbers) + missed} photos")
    return numbers, np.stack(faces)


def number_of(path: Path) -> str:
    return f"{int(path.stem):05d}"


def embedded(network: MxnetNetwork, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The network's embeddings of stored faces, normalised."""
    torch.set_num_threads(1)
    middle = faces[:, MARGIN:-MARGIN, MARGIN:-MARGIN]
    starts = range(0, len(faces), BATCH)
    parts = [network(np.ascontiguousarray(middle[start : start + BATCH])) for start in track(starts, "embedding")]
    return normalise(np.concatenate(parts))


def into_space(points: NDArray[np.float32], matrix: NDArray[np.float64]) -> NDArray[np.float32]:
    return normalise(with_one(points) @ matrix)


def with_one(points: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.column_stack([points, np.ones(len(points))])


def write_faces(path: Path, before: Path, numbers: list[str], faces: NDArray[np.uint8]) -> None:
    """Write the faces of an archive and the new ones to another archive."""
    with zipfile.ZipFile(before) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
        for number, face in zip(numbers, faces, strict=True):
            file = io.BytesIO()
            PIL.Image.fromarray(face).save(file, "WEBP", quality=76)
            new.writestr(f"extra/{number}.webp", file.getvalue())


if __name__ == "__main__":
    main()
