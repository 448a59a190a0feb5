"""A file in dlib's format of a small network with random weights, written independently of the reader."""

import math
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

LEVELS = ((3, False), (3, True), (2, True), (2, True), (0, True))


class Writer:
    """dlib's `serialize`, as far as the network needs it."""

    def __init__(self):
        self.out = bytearray()

    def integer(self, value):
        size = max(1, (abs(value).bit_length() + 7) // 8)
        self.out += bytes([size | (0x80 if value < 0 else 0)]) + abs(value).to_bytes(size, "little")

    def integers(self, *values):
        for value in values:
            self.integer(value)

    def real(self, value):
        mantissa, exponent = math.frexp(value)
        self.integers(int(mantissa * 2**24), exponent - 24)

    def text(self, value):
        self.integer(len(value))
        self.out += value.encode()

    def tensor(self, values, *sizes):
        self.integers(2, *sizes)
        self.out += np.asarray(values, "<f4").tobytes()

    def end(self, reals=0):
        for _ in range(reals):
            self.real(1.0)
        self.out += b"110"
        for _ in range(3):
            self.tensor([], 0, 0, 0, 0)


def write_resnet(rng, widths=(2, 3, 4, 5, 5), dimension=6, size=150):
    """The bytes of a .dat file, and its layers as (kind, arrays) in the order of computation."""
    file, layers = Writer(), []

    def convolution(channels, filters, kernel, stride, padding, first=False):
        weights = rng.normal(0, 1 / math.sqrt(channels * kernel**2), (filters, channels, kernel, kernel))
        weights, bias, scale, shift = (
            values.astype(np.float32)
            for values in (weights, rng.normal(0, 0.1, filters), rng.normal(1, 0.1, filters), rng.normal(0, 1, filters))
        )
        file.text("con_4")
        file.tensor(np.concatenate([weights.ravel(), bias]), weights.size + filters, 1, 1, 1)
        file.integers(filters, kernel, kernel, stride, stride, padding, padding)
        file.integers(1, *weights.shape, 1, 1, filters, 1, 1)
        file.end(reals=4)
        if first:
            file.integer(1)
        file.text("affine_")
        file.tensor(np.concatenate([scale, shift]), 2 * filters, 1, 1, 1)
        file.integers(1, 1, filters, 1, 1, 1, 1, filters, 1, 1, 0)
        file.end()
        layers.append(("convolution", (weights, bias, scale, shift, stride, padding)))

    def plain(name, *integers):
        file.text(name)
        file.integers(*integers)
        file.end()

    file.integer(1)
    file.text("loss_metric_2")
    file.real(0.04)
    file.real(0.6)
    inner = [2] * 5
    versions = [2, 2]
    for keeping, halving in reversed(LEVELS):
        versions += [2, 2, *inner, 1] * keeping
        versions += [2, 2, 2, 1, 1, *inner, 1] * halving
    file.integers(*versions, 2, 2, 2, 3)
    file.text("input_rgb_image_sized")
    for mean in (122.782, 117.001, 104.298):
        file.real(mean)
    file.integers(size, size)
    convolution(3, widths[0], 7, 2, 0, first=True)
    plain("relu_")
    plain("max_pool_2", 3, 3, 2, 2, 0, 0)
    channels = widths[0]
    for (keeping, halving), width in zip(LEVELS, widths, strict=True):
        for halves in [True] * halving + [False] * keeping:
            layers.append(("in", ()))
            convolution(channels, width, 3, 2 if halves else 1, 0 if halves else 1)
            plain("relu_")
            layers.append(("relu", ()))
            convolution(width, width, 3, 1, 1)
            if halves:
                plain("avg_pool_2", 2, 2, 2, 2, 0, 0)
            plain("add_prev_")
            plain("relu_")
            layers.append(("out", (halves,)))
            channels = width
    plain("avg_pool_2", 0, 0, 1, 1, 0, 0)
    projection = rng.normal(0, 1, (channels, dimension)).astype(np.float32)
    file.text("fc_2")
    file.integers(dimension, channels)
    file.tensor(projection, channels, dimension, 1, 1)
    file.integers(1, channels, dimension, 1, 1, 1, 0, 0, 0, 0, 1)
    file.end(reals=4)
    layers.append(("projection", (projection,)))
    return bytes(file.out), layers


@pytest.fixture(scope="session")
def dlib_resnet():
    """A small .dat file, and its layers."""
    return write_resnet(np.random.default_rng(0))


@pytest.fixture(scope="session")
def dlib_dat() -> Path:
    """The file that dlib's author published, if a package that contains it is installed."""
    found = find_spec("face_recognition_models")
    if found is None or found.origin is None:
        pytest.skip("the package face_recognition_models, which carries dlib's network, is not installed")
    # Its code is not run, because it needs an ancient setuptools.
    return Path(found.origin).parent / "models" / "dlib_face_recognition_resnet_model_v1.dat"
