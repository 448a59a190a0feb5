"""Claim: the default detector finds the main face in photos that were made hard, and finds little where there is none.

Photos of LFW, each changed in one way: turned by 90, 180 and 270 degrees with an EXIF orientation that says so; upside
down without one; nearly grey; very dark; JPEG quality 10; cut by the border. Found is a face whose landmarks lie within
a quarter of the eye distance of those of ../shared/data, moved as the photo was. And pictures without a face: noise,
coarse and fine, and drawn landscapes.

    python benchmarks/hard_photos.py [--step 33] [--empty 200]
"""

import argparse
import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from detection import nearest
from facespace.faces import Mtcnn
from facespace.images import read_image
from lfw_photos import lfw_photos

Changed = tuple[bytes, np.ndarray]
# EXIF orientations by how far the stored pixels are turned, against the clock.
TURNED = {1: 8, 2: 3, 3: 6}


def jpeg(pixels: np.ndarray, quality: int = 95, orientation: int | None = None) -> bytes:
    content, exif = io.BytesIO(), Image.Exif()
    if orientation:
        exif[0x0112] = orientation
    Image.fromarray(pixels).save(content, "JPEG", quality=quality, exif=exif)
    return content.getvalue()


def by_exif(turns: int) -> Callable[[np.ndarray, np.ndarray], Changed]:
    """Stored turned, with the orientation that brings it upright again."""
    return lambda image, points: (jpeg(np.rot90(image, -turns), orientation=TURNED[turns]), points)


def upside_down(image: np.ndarray, points: np.ndarray) -> Changed:
    return jpeg(image[::-1, ::-1]), np.array(image.shape[1::-1]) - 1 - points


def nearly_grey(image: np.ndarray, points: np.ndarray) -> Changed:
    grey = image.mean(axis=2, keepdims=True)
    return jpeg((grey + 0.05 * (image - grey)).round().astype(np.uint8)), points


def dark(share: float) -> Callable[[np.ndarray, np.ndarray], Changed]:
    def change(image: np.ndarray, points: np.ndarray) -> Changed:
        noise = np.random.default_rng(0).normal(0, 1.5, image.shape)
        return jpeg(np.clip(image * share + noise, 0, 255).astype(np.uint8)), points

    return change


def cut(image: np.ndarray, points: np.ndarray) -> Changed:
    """The border runs a third of the eye distance beside the left eye, so that cheek and ear are gone."""
    left = max(0, round(points[:, 0].min() - np.linalg.norm(points[1] - points[0]) / 3))
    return jpeg(image[:, left:]), points - (left, 0)


def halved(image: np.ndarray, points: np.ndarray) -> Changed:
    """The border runs through the tip of the nose; the landmarks beyond it cannot be seen."""
    left = round(points[2, 0])
    return jpeg(image[:, left:]), points - (left, 0)


WAYS: dict[str, Callable[[np.ndarray, np.ndarray], Changed]] = {
    "as it is": lambda image, points: (jpeg(image), points),
    "turned by 90 degrees, EXIF says so": by_exif(1),
    "turned by 180 degrees, EXIF says so": by_exif(2),
    "turned by 270 degrees, EXIF says so": by_exif(3),
    "upside down, nothing says so": upside_down,
    "5 % of its colour": nearly_grey,
    "a tenth as bright, with noise": dark(0.1),
    "a twentieth as bright, with noise": dark(0.05),
    "JPEG quality 10": lambda image, points: (jpeg(image, 10), points),
    "cut beside the eye": cut,
    "cut through the nose": halved,
}


def empty(number: int) -> np.ndarray:
    """A picture without a face: noise, smooth noise, or a drawn landscape."""
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


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--step", type=int, default=33)
    parser.add_argument("--empty", type=int, default=200)
    options = parser.parse_args()
    detector = Mtcnn()
    photos = list(lfw_photos(options.step))
    for name, change in WAYS.items():
        found, errors = 0, []
        for _, image, points in photos:
            content, truth = change(image, points)
            face, error = nearest(detector([read_image(content)])[0].landmarks, truth)
            found += face is not None
            errors.append(error)
        print(
            f"{name}: main face found in {found} of {len(photos)} ({found / len(photos):.1%}), off by "
            f"{np.nanmedian(errors):.1%} of the eye distance",
            flush=True,
        )
    counts = [len(detector([empty(number)])[0].boxes) for number in range(options.empty)]
    print(f"pictures without a face: something is found in {np.count_nonzero(counts)} of {options.empty}")


if __name__ == "__main__":
    main()
