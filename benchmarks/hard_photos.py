"""Claim: the default detector finds the main face in difficult photos, with few false detections.

Changes photos of LFW in one way each: rotated by 90, 180 and 270 degrees with and without a matching EXIF orientation;
nearly grey; very dark; JPEG quality 10; cut by the border. A face counts as found if its landmarks are within a quarter
of the eye distance of those of ../shared/data. Also uses pictures without a face: coarse and fine noise, and drawn
landscapes. Finally measures the cost of the second pass on rotated copies: the CPU time of each photo with and without
it, alternating.

    python benchmarks/hard_photos.py [--step 33] [--empty 200]
"""

import argparse
import copy
import dataclasses
import io
import time
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from detection import nearest
from facespace.faces import DETECTORS, Finder, default_finder
from lfw_photos import lfw_photos

Changed = tuple[bytes, np.ndarray]
# EXIF orientations by the counterclockwise rotation of the stored pixels, in quarter turns.
TURNED = {1: 8, 2: 3, 3: 6}


def jpeg(pixels: np.ndarray, quality: int = 95, orientation: int | None = None) -> bytes:
    content, exif = io.BytesIO(), Image.Exif()
    if orientation:
        exif[0x0112] = orientation
    Image.fromarray(pixels).save(content, "JPEG", quality=quality, exif=exif)
    return content.getvalue()


def by_exif(turns: int) -> Callable[[np.ndarray, np.ndarray], Changed]:
    """Rotate the pixels, and store the matching EXIF orientation."""
    return lambda image, points: (jpeg(np.rot90(image, -turns), orientation=TURNED[turns]), points)


def unsaid(turns: int) -> Callable[[np.ndarray, np.ndarray], Changed]:
    """Rotate the pixels counterclockwise by quarter turns, without an EXIF orientation."""

    def change(image: np.ndarray, points: np.ndarray) -> Changed:
        for _ in range(turns):
            points = np.stack([points[:, 1], image.shape[1] - 1 - points[:, 0]], axis=1)
            image = np.rot90(image)
        return jpeg(image), points

    return change


def nearly_grey(image: np.ndarray, points: np.ndarray) -> Changed:
    grey = image.mean(axis=2, keepdims=True)
    return jpeg((grey + 0.05 * (image - grey)).round().astype(np.uint8)), points


def dark(share: float) -> Callable[[np.ndarray, np.ndarray], Changed]:
    def change(image: np.ndarray, points: np.ndarray) -> Changed:
        noise = np.random.default_rng(0).normal(0, 1.5, image.shape)
        return jpeg(np.clip(image * share + noise, 0, 255).astype(np.uint8)), points

    return change


def cut(image: np.ndarray, points: np.ndarray) -> Changed:
    """Cut the photo a third of the eye distance left of the left eye, without cheek and ear."""
    left = max(0, round(points[:, 0].min() - np.linalg.norm(points[1] - points[0]) / 3))
    return jpeg(image[:, left:]), points - (left, 0)


def halved(image: np.ndarray, points: np.ndarray) -> Changed:
    """Cut the photo through the tip of the nose; the landmarks beyond the border are not visible."""
    left = round(points[2, 0])
    return jpeg(image[:, left:]), points - (left, 0)


WAYS: dict[str, Callable[[np.ndarray, np.ndarray], Changed]] = {
    "unchanged": lambda image, points: (jpeg(image), points),
    "rotated by 90 degrees, with EXIF": by_exif(1),
    "rotated by 180 degrees, with EXIF": by_exif(2),
    "rotated by 270 degrees, with EXIF": by_exif(3),
    "rotated by 90 degrees, no EXIF": unsaid(1),
    "upside down, no EXIF": unsaid(2),
    "rotated by 270 degrees, no EXIF": unsaid(3),
    "5 % of its colour": nearly_grey,
    "a tenth as bright, with noise": dark(0.1),
    "a twentieth as bright, with noise": dark(0.05),
    "JPEG quality 10": lambda image, points: (jpeg(image, 10), points),
    "cut next to the eye": cut,
    "cut through the nose": halved,
}


def empty(number: int) -> np.ndarray:
    """Make a picture without a face: noise, smooth noise, or a drawn landscape."""
    rng = np.random.default_rng(number)
    if number % 3 == 0:
        return rng.integers(0, 256, (250, 250, 3), np.uint8)
    if number % 3 == 1:
        small = Image.fromarray(rng.integers(0, 256, (25, 25, 3), np.uint8))
        return np.asarray(small.resize((250, 250), Image.Resampling.BICUBIC))
    sky, land = (tuple(int(c) for c in rng.integers(60, 256, 3)) for _ in range(2))
    picture = Image.new("RGB", (250, 250), sky)
    draw = ImageDraw.Draw(picture)
    x, y = rng.integers(20, 230), rng.integers(10, 80)
    draw.ellipse((x - 15, y - 15, x + 15, y + 15), fill=(255, 230, 120))
    ridge = 140 + np.cumsum(rng.normal(0, 6, 26))
    draw.polygon([(0, 250), *((10 * i, float(h)) for i, h in enumerate(ridge)), (250, 250)], fill=land)
    for _ in range(int(rng.integers(3, 12))):
        x, y, size = rng.integers(0, 250), rng.integers(150, 240), rng.integers(8, 30)
        draw.ellipse((x - size // 2, y - size, x + size // 2, y), fill=(30, int(rng.integers(70, 140)), 40))
        draw.rectangle((x - 2, y, x + 2, y + size // 2), fill=(90, 60, 30))
    return np.asarray(picture.filter(ImageFilter.GaussianBlur(0.7)))


def cost(finder: Finder, photos: list[np.ndarray]) -> float:
    """Return the CPU time of all photos with the second pass, relative to that without."""
    detector = copy.copy(finder.detector)
    detector.second_look = None
    once = dataclasses.replace(finder, detector=detector)
    spent = []
    for way in (finder, once):
        way.find(photos[0])
        spent.append(0.0)
    for photo in photos:
        for number, way in enumerate((finder, once)):
            started = time.process_time()
            way.find(photo)
            spent[number] += time.process_time() - started
    return spent[0] / spent[1]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--step", type=int, default=33)
    parser.add_argument("--detector", choices=sorted(DETECTORS), help="another than the default")
    parser.add_argument("--empty", type=int, default=200)
    options = parser.parse_args()
    finder = default_finder()
    if options.detector is not None:
        finder = dataclasses.replace(finder, detector=DETECTORS[options.detector]())
    photos = list(lfw_photos(options.step))
    for name, change in WAYS.items():
        found, errors = 0, []
        for _, image, points in photos:
            content, truth = change(image, points)
            faces = finder.find(content).faces
            face, error = nearest(np.array([face.landmarks for face in faces]), truth)
            found += face is not None
            errors.append(error)
        print(
            f"{name}: main face found in {found} of {len(photos)} ({found / len(photos):.1%}), median error "
            f"{np.nanmedian(errors):.1%} of the eye distance",
            flush=True,
        )
    empty_pictures = [empty(number) for number in range(options.empty)]
    counts = [len(finder.find(picture).faces) for picture in empty_pictures]
    print(f"pictures without a face: false detections in {np.count_nonzero(counts)} of {options.empty}")
    print(f"CPU time of the second pass: factor {cost(finder, empty_pictures):.2f} for these, ", end="")
    print(f"ordinary photos {cost(finder, [image for _, image, _ in photos]):.2f} times")


if __name__ == "__main__":
    main()
