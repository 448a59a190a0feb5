"""Resizing without aliasing."""

import numpy as np

from facespace.images import resize


def test_the_size_is_width_then_height():
    assert resize(np.zeros((10, 20, 3), np.uint8), 7, 5).shape == (5, 7, 3)


def test_an_image_of_the_right_size_is_unchanged(rng):
    image = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    assert resize(image, 8, 6) is image


def test_shrinking_averages_instead_of_skipping():
    # Stripes of one pixel average to grey; taking every n-th pixel would give black or white.
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    small = resize(stripes, 9, 9)
    assert abs(int(small.mean()) - 127) <= 2
    assert small.max() - small.min() < 40
