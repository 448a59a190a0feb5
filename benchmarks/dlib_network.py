"""Claim: the imported dlib network equals dlib's to 1e-5, is many times as fast, and as accurate on LFW.

    python benchmarks/dlib_network.py --dat FILE                  # agreement and speed, on validation faces
    python benchmarks/dlib_network.py --dat FILE --decisions      # also thresholds and calibration for the card
    python benchmarks/dlib_network.py --dat FILE --lfw            # also LFW View 2, which uses the test data

FILE is dlib_face_recognition_resnet_model_v1.dat; install dlib with `pip install dlib-bin`. Speed is the median on one
thread, with both networks alternating; compare the ratios. On LFW the network runs on three crops: dlib's (its HOG
detector and the five-point landmarks of --shape; if it finds no face near the centre, the box of the landmark file),
ours with the landmark file, and ours with our detector. Pairs with a photo without a face count as wrong.
"""

import argparse
import csv
import io
import statistics
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import dlib
import numpy as np
import PIL.Image

from facespace.evaluate import decide
from facespace.faces import CROPS
from facespace.model.convert import import_model
from facespace.model.convert.dlib_onnx import RADIUS
from facespace.space import Space, load, main_face

DATA = Path(__file__).parents[2] / "shared" / "data"
MIDDLE, NEAR = 125, 40


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dat", type=Path, required=True)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--faces", type=int, default=24, help="number of faces to compare and time")
    parser.add_argument("--decisions", action="store_true")
    parser.add_argument("--lfw", action="store_true")
    parser.add_argument("--shape", type=Path, help="shape_predictor_5_face_landmarks.dat; default: next to --dat")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "dlib.onnx"
        import_model(given.dat, model)
        compare(given.dat, load(model, provider="cpu", threads=1, detector="aligned-128"), given.data, given.faces)
        if given.decisions:
            measure_decisions(load(model, provider="cpu", detector="aligned-128"), given.data)
        if given.lfw:
            shape = given.shape or given.dat.parent / "shape_predictor_5_face_landmarks.dat"
            measure_lfw(load(model, provider="cpu"), given.data, shape)


def main_crop(space: Space, photo: bytes) -> np.ndarray:
    faces = space.finder.find(photo).faces
    return faces[main_face(faces)].pixels


def compare(dat: Path, space: Space, data: Path, count: int) -> None:
    """Compare embeddings of real faces, and measure the time per face at batch size 1."""
    with zipfile.ZipFile(data / "val.zip") as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".webp"))
        chips = np.stack([main_crop(space, archive.read(name)) for name in names[:: len(names) // count][:count]])
    network = dlib.face_recognition_model_v1(str(dat))
    space.engine.embed(chips[:1])
    theirs, ours, times = [], [], {"dlib": [], "onnxruntime": []}
    for chip in chips:
        started = time.perf_counter()
        theirs.append(network.compute_face_descriptor(chip))
        between = time.perf_counter()
        ours.append(space.engine.embed(chip[None])[0])
        times["dlib"].append(between - started)
        times["onnxruntime"].append(time.perf_counter() - between)
    difference = np.abs(np.array(ours)[:, :-1] * RADIUS - np.array(theirs)).max()
    medians = {name: statistics.median(found) * 1e3 for name, found in times.items()}
    print(f"largest difference in {len(chips)} embeddings: {difference:.1e}")
    print(
        f"per face, one thread: dlib {medians['dlib']:.1f} ms, onnxruntime {medians['onnxruntime']:.1f} ms, "
        f"{medians['dlib'] / medians['onnxruntime']:.1f} times as fast"
    )


def measure_decisions(space: Space, data: Path) -> None:
    """Print thresholds, calibration and clustering cut on the validation people, in the format of the card."""
    with (data / "faces.csv").open(newline="") as table:
        rows = [row for row in csv.DictReader(table) if row["split"] == "val"]
    with zipfile.ZipFile(data / "val.zip") as archive:
        points = space.embed(archive.read(row["path"]) for row in rows)
    labels = np.unique([row["person"] for row in rows], return_inverse=True)[1]
    print(decide(points, labels, f"{len(rows):,} photos of {labels.max() + 1} people").model_dump_json(indent=2))


def measure_lfw(space: Space, data: Path, shape: Path) -> None:
    with (data / "lfw_landmarks.csv").open(newline="") as table:
        rows = {row["path"]: row for row in csv.DictReader(table)}
    pairs = list(lfw_pairs(data / "pairs.txt"))
    photos = sorted({photo for _, a, b, _ in pairs for photo in (a, b)})
    detect, predict = dlib.get_frontal_face_detector(), dlib.shape_predictor(str(shape))
    crop, size = CROPS[space.card.crop], space.card.input.width
    missed = 0

    def their_crop(image: np.ndarray, row: dict[str, str]) -> np.ndarray:
        nonlocal missed
        # No upsampling: it takes four times as long, and few faces here need it.
        near = central(detect(image, 0)) or central(detect(image, 1))
        if near:
            box = min(near, key=lambda box: abs(box.center().x - MIDDLE) + abs(box.center().y - MIDDLE))
        else:
            missed += 1
            left, top, width, height = (round(float(row[f"box_{side}"])) for side in "xywh")
            middle = top + height * 0.55
            box = dlib.rectangle(left, round(middle - width / 2), left + width, round(middle + width / 2))
        return dlib.get_face_chip(image, predict(image, box), size=size, padding=0.25)

    def our_crop(image: np.ndarray, row: dict[str, str]) -> np.ndarray:
        return crop(image, np.zeros(4, np.float32), landmarks_of(row), size, size)

    ways: dict[str, Callable[[np.ndarray, dict[str, str]], np.ndarray | None]] = {
        "dlib's crop": their_crop,
        "our crop, landmarks from the file": our_crop,
        "our crop, our detector": lambda image, row: central_crop(space, image),
    }
    points: dict[str, dict[str, np.ndarray]] = {way: {} for way in ways}
    absent = dict.fromkeys(ways, 0)
    with zipfile.ZipFile(data / "lfw.zip") as archive:
        for photo in photos:
            image = np.array(PIL.Image.open(io.BytesIO(archive.read(f"lfw/{photo}"))).convert("RGB"))
            for way, cut in ways.items():
                face = cut(image, rows[photo])
                absent[way] += face is None
                if face is not None:
                    points[way][photo] = space.engine.embed(face[None])[0]
    print(f"LFW View 2, {len(photos):,} photos; dlib's detector missed the subject of {missed}, ours found no face in "
          f"{absent['our crop, our detector']}")  # fmt: skip
    for way, found in points.items():
        for name, part in (("as imported", slice(None)), ("dlib's numbers, normalised", slice(-1))):
            print(f"{way + ', ' + name:62s} {view_2(pairs, found, part)}")


def central(boxes: dlib.rectangles) -> list[dlib.rectangle]:
    return [box for box in boxes if abs(box.center().x - MIDDLE) < NEAR and abs(box.center().y - MIDDLE) < NEAR]


def central_crop(space: Space, image: np.ndarray) -> np.ndarray | None:
    """Return the face nearest to the centre of the photo."""
    faces = space.finder.find(image).faces
    if not faces:
        return None
    middle = np.array(image.shape[1::-1]) / 2
    return min(faces, key=lambda face: np.abs((np.array(face.box[:2]) + face.box[2:]) / 2 - middle).sum()).pixels


def view_2(pairs: list[tuple[int, str, str, bool]], points: dict[str, np.ndarray], part: slice) -> str:
    """Compute accuracy over ten folds with its standard error, and VAL at FAR 1e-2 and 1e-3 over all pairs."""

    def point(photo: str) -> np.ndarray:
        return points[photo][part] / np.linalg.norm(points[photo][part])

    fold, same = np.array([pair[0] for pair in pairs]), np.array([pair[3] for pair in pairs])
    distances = np.array(
        [
            ((point(a) - point(b)) ** 2).sum() if a in points and b in points else (np.inf if is_same else -1.0)
            for _, a, b, is_same in pairs
        ]
    )
    scores = []
    for number in np.unique(fold):
        others = fold != number
        steps = np.unique(distances[others & np.isfinite(distances)])
        right = [((distances[others] <= step) == same[others]).mean() for step in steps]
        threshold = steps[int(np.argmax(right))]
        scores.append(((distances[~others] <= threshold) == same[~others]).mean())
    impostor = np.sort(distances[~same])
    val = [(distances[same] < impostor[int(far * len(impostor))]).mean() for far in (1e-2, 1e-3)]
    error = np.std(scores, ddof=1) / np.sqrt(len(scores))
    return f"{np.mean(scores):.2%} +- {error:.2%}, VAL {val[0]:.2%} at FAR 1e-2, {val[1]:.2%} at 1e-3"


def lfw_pairs(path: Path) -> Iterator[tuple[int, str, str, bool]]:
    """Return (fold, photo, photo, same person) of each pair."""
    head, *lines = path.read_text("utf-8").splitlines()
    size = int(head.split()[1])
    for number, line in enumerate(lines):
        name, first, *others, second = line.split("\t")
        photos = [f"{who}/{who}_{int(which):04d}.jpg" for who, which in ((name, first), ([*others, name][0], second))]
        yield number // (2 * size), photos[0], photos[1], not others


def landmarks_of(row: dict[str, str]) -> np.ndarray:
    names = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
    return np.array([[float(row[f"{name}_{axis}"]) for axis in "xy"] for name in names], np.float32)


if __name__ == "__main__":
    main()
