"""Claim: aliasing harms embeddings, so strong downscaling of a face must average pixels.

Enlarges faces of LFW smoothly, adds fine noise like that of a camera sensor, and aligns them to the network's size: by
`warp`, which averages pixels by area, and by plain bilinear sampling, as in a usual affine warp. Measures the distance
of each embedding from that of the original photo.

    python benchmarks/resampling.py MODEL [--photos 60]
"""

import argparse

import numpy as np
import PIL.Image

from facespace.faces import CROPS, inverse
from facespace.faces.align import TemplateCrop
from facespace.metric import paired_squared_distances
from facespace.space import load
from lfw_photos import lfw_photos

SCALES = (2, 4, 8)
GRAIN = 24.0


def sampled(image: np.ndarray, matrix: np.ndarray, width: int, height: int) -> np.ndarray:
    """Sample bilinearly at the centre of each pixel, without averaging."""
    back = inverse(matrix)
    back[:, 2] += 0.5 - back[:, :2] @ (0.5, 0.5)
    drawn = PIL.Image.fromarray(image).transform(
        (width, height), PIL.Image.Transform.AFFINE, tuple(back.ravel()), PIL.Image.Resampling.BILINEAR
    )
    return np.asarray(drawn)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--photos", type=int, default=60)
    options = parser.parse_args()
    space = load(options.model)
    crop, size = CROPS[space.card.crop], space.card.input
    assert isinstance(crop, TemplateCrop)
    rng, box = np.random.default_rng(0), np.zeros(4, np.float32)
    photos = list(lfw_photos(13233 // options.photos))[: options.photos]
    plain = np.stack(
        [crop(image, box, points.astype(np.float32), size.width, size.height) for _, image, points in photos]
    )
    reference = space.engine.embed(plain)
    for scale in SCALES:
        ours, theirs = [], []
        for _, image, points in photos:
            large = PIL.Image.fromarray(image).resize((250 * scale, 250 * scale), PIL.Image.Resampling.BICUBIC)
            noisy = np.asarray(large) + rng.normal(0, GRAIN, (250 * scale, 250 * scale, 3))
            pixels = np.clip(noisy, 0, 255).astype(np.uint8)
            there = ((points + 0.5) * scale - 0.5).astype(np.float32)
            ours.append(crop(pixels, box, there, size.width, size.height))
            theirs.append(sampled(pixels, crop.matrix(there, size.width, size.height), size.width, size.height))
        moved = [
            np.median(paired_squared_distances(reference, space.engine.embed(np.stack(c)))) for c in (ours, theirs)
        ]
        print(
            f"{scale} times as large: the embedding moves by {moved[0]:.4f} (area) and {moved[1]:.4f} (sampled), "
            f"{moved[1] / moved[0]:.1f} x; same person up to {space.threshold():.4f}"
        )


if __name__ == "__main__":
    main()
