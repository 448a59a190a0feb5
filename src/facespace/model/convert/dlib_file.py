"""Read a network serialised by dlib: the ResNet of its face recognition example.

dlib's files have no table of contents. They hold the nested C++ template of the network: first the version numbers of
all layers from the output to the input, then the contents of the layers from the input to the output. So the reader
must know the network, and a file of another network is detected at the first unexpected value. Sizes are read from the
file, so a network of the same design with other widths works too.

The file is treated as untrusted: nothing is allocated or sliced before checking that the file is large enough.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facespace.errors import ModelError

# From input to output, as (number of blocks that keep the resolution, whether one that halves it comes first).
_LEVELS = ((3, False), (3, True), (2, True), (2, True), (0, True))

# dlib's version number for each kind of layer.
_LAYER, _TAG_OR_SKIP, _LOSS, _INPUT = 2, 1, 1, 3
_TENSOR, _ALIAS = 2, 1


@dataclass(frozen=True)
class Convolution:
    """A convolution and the affine transform after it.

    weights : float32, shape (filters, channels, height, width)
    bias, scale, shift : float32, shape (filters,)
        The output is scale * (weights * x + bias) + shift.
    stride, padding : int, pixels, the same in both directions
    """

    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    scale: NDArray[np.float32]
    shift: NDArray[np.float32]
    stride: int
    padding: int


@dataclass(frozen=True)
class Block:
    """A residual block: two convolutions, and an addition of the block's input.

    halves : whether the first convolution has stride 2, and the input is average-pooled before the addition
    """

    first: Convolution
    second: Convolution
    halves: bool


@dataclass(frozen=True)
class ResNet:
    """dlib's face recognition network.

    mean : red, green, blue, subtracted from pixels 0..255 before division by 256
    size : width and height of the face chip it takes, in pixels
    stem : the first convolution, before the pooling
    blocks : from input to output
    projection : float32, shape (channels, dimension), after the global average pooling
    """

    mean: tuple[float, float, float]
    size: int
    stem: Convolution
    blocks: tuple[Block, ...]
    projection: NDArray[np.float32]


def read_dlib_resnet(data: bytes, where: str) -> ResNet:
    """Read the face recognition network from a .dat file of dlib.

    Parameters
    ----------
    data : bytes
        The whole file.
    where : str
        Name of the file in error messages.

    Raises
    ------
    ModelError
        The file is another network, or damaged; the message gives the byte offset.

    References
    ----------
    `anet_type` in dlib's example dnn_face_recognition_ex.cpp; `serialize` in dlib's dnn/core.h and dnn/layers.h.
    """
    file = _Reader(data, where)
    file.expect_integer(_LOSS, "a network with a loss")
    file.expect_text("loss_metric_2")
    file.real()  # margin
    file.real()  # distance threshold
    for version in _versions():
        file.expect_integer(version, "the design of the face recognition network")
    file.expect_text("input_rgb_image_sized")
    red, green, blue = file.real(), file.real(), file.real()
    size = file.integer()
    file.expect_integer(size, "a square input")
    stem = _convolution(file, channels=3, kernel=7, stride=2, padding=0, is_first=True)
    _named_layer(file, "relu_")
    _pooling(file, "max_pool_2", kernel=3, stride=2)
    channels = len(stem.bias)
    blocks = []
    for keeping, halving in _LEVELS:
        for halves in (halving,) * halving + (False,) * keeping:
            blocks.append(_block(file, channels, halves))
            channels = len(blocks[-1].second.bias)
    # In dlib, a pooling window of zero means global pooling.
    _pooling(file, "avg_pool_2", kernel=0, stride=1)
    projection = _projection(file, channels)
    if file.at != len(data):
        raise file.error("the file should end")
    return ResNet((red, green, blue), size, stem, tuple(blocks), projection)


def _versions() -> list[int]:
    """The version numbers at the start of the file, from output to input."""
    block = [_LAYER] * 5  # affine, convolution, relu, affine, convolution
    keeps = [_LAYER] * 2 + block + [_TAG_OR_SKIP]  # relu, addition, block, tag
    halves = [_LAYER] * 3 + [_TAG_OR_SKIP] * 2 + block + [_TAG_OR_SKIP]  # relu, addition, pooling, skip, tag, ...
    found = [_LAYER] * 2  # projection, global pooling
    for keeping, halving in reversed(_LEVELS):
        found += keeps * keeping + halves * halving
    return [*found, _LAYER, _LAYER, _LAYER, _INPUT]  # pooling, relu, affine, stem


def _block(file: "_Reader", channels: int, halves: bool) -> Block:
    stride, padding = (2, 0) if halves else (1, 1)
    first = _convolution(file, channels, kernel=3, stride=stride, padding=padding)
    _named_layer(file, "relu_")
    second = _convolution(file, len(first.bias), kernel=3, stride=1, padding=1)
    if halves:
        _pooling(file, "avg_pool_2", kernel=2, stride=2)
    _named_layer(file, "add_prev_")
    _named_layer(file, "relu_")
    return Block(first, second, halves)


def _convolution(
    file: "_Reader", channels: int, kernel: int, stride: int, padding: int, is_first: bool = False
) -> Convolution:
    file.expect_text("con_4")
    values = file.tensor()
    filters = file.integer()
    for expected, what in ((kernel, "height"), (kernel, "width"), (stride, "stride"), (stride, "stride")):
        file.expect_integer(expected, f"a convolution of {what} {expected}")
    for _ in range(2):
        file.expect_integer(padding, f"a convolution with padding {padding}")
    shape = (filters, channels, kernel, kernel)
    file.expect_alias(shape)
    file.expect_alias((1, filters, 1, 1))
    file.end_of_layer(reals=4)
    if is_first:
        file.expect_integer(1, "one sample per image")
    count = math.prod(shape)
    if filters < 1 or len(values) != count + filters:
        raise file.error(f"a convolution of {filters} filters has {len(values):,} numbers")
    file.expect_text("affine_")
    gamma_beta = file.tensor()
    file.expect_alias((1, filters, 1, 1))
    file.expect_alias((1, filters, 1, 1))
    file.expect_integer(0, "an affine transform per channel")
    file.end_of_layer()
    if len(gamma_beta) != 2 * filters:
        raise file.error(f"an affine transform of {filters} channels has {len(gamma_beta):,} numbers")
    return Convolution(
        weights=values[:count].reshape(shape),
        bias=values[count:],
        scale=gamma_beta[:filters],
        shift=gamma_beta[filters:],
        stride=stride,
        padding=padding,
    )


def _projection(file: "_Reader", channels: int) -> NDArray[np.float32]:
    file.expect_text("fc_2")
    dimension = file.integer()
    file.expect_integer(channels, f"a projection of {channels} channels")
    values = file.tensor()
    file.expect_alias((channels, dimension, 1, 1))
    file.expect_alias((0, 0, 0, 0))
    file.expect_integer(1, "a projection without bias")
    file.end_of_layer(reals=4)
    if dimension < 1 or len(values) != channels * dimension:
        raise file.error(f"a projection of {channels} to {dimension} has {len(values):,} numbers")
    return values.reshape(channels, dimension)


def _pooling(file: "_Reader", name: str, kernel: int, stride: int) -> None:
    file.expect_text(name)
    for expected in (kernel, kernel, stride, stride, 0, 0):
        file.expect_integer(expected, f"a pooling over {kernel} pixels with stride {stride}")
    file.end_of_layer()


def _named_layer(file: "_Reader", name: str) -> None:
    file.expect_text(name)
    file.end_of_layer()


class _Reader:
    """Reads dlib's primitive values one after another."""

    def __init__(self, data: bytes, where: str):
        self._data, self._where = data, where
        self.at = 0

    def error(self, found: str) -> ModelError:
        return ModelError(
            f"{self._where} is not dlib's face recognition network, or is damaged: {found} at byte "
            f"{self.at:,} of {len(self._data):,}; get dlib_face_recognition_resnet_model_v1.dat again"
        )

    def integer(self) -> int:
        """Read a control byte (the number of bytes; the highest bit is the sign) and the bytes, lowest first."""
        control = self._take(1)[0]
        size = control & 0x0F
        if not 1 <= size <= 8 or control & 0x70:
            raise self.error("an integer was expected")
        magnitude = int.from_bytes(self._take(size), "little")
        return -magnitude if control & 0x80 else magnitude

    def real(self) -> float:
        """Read a mantissa and a power of two."""
        mantissa, exponent = self.integer(), self.integer()
        # Exponents from 32000 represent infinities and NaN, which a network cannot contain.
        if abs(exponent) > 1000:
            raise self.error("a finite number was expected")
        return math.ldexp(mantissa, exponent)

    def text(self) -> str:
        size = self.integer()
        if not 0 <= size <= 64:
            raise self.error("the name of a layer was expected")
        return self._take(size).decode("ascii", "replace")

    def tensor(self) -> NDArray[np.float32]:
        """Read a tensor's numbers, flat: a version, four sizes, float32 values in little-endian order."""
        self.expect_integer(_TENSOR, "a tensor")
        sizes = [self.integer() for _ in range(4)]
        count = math.prod(sizes)
        if min(sizes) < 0 or 4 * count > len(self._data) - self.at:
            raise self.error(f"a tensor of {' x '.join(map(str, sizes))} is larger than the file")
        values = np.frombuffer(self._take(4 * count), "<f4").astype(np.float32)
        if not np.isfinite(values).all():
            raise self.error("a tensor has values that are not finite")
        return values

    def end_of_layer(self, reals: int = 0) -> None:
        """Skip what only training needs: rates, flags, gradients."""
        for _ in range(reals):
            self.real()
        for _ in range(3):
            if self._take(1) not in (b"0", b"1"):
                raise self.error("a flag was expected")
        for _ in range(3):
            self.tensor()

    def expect_integer(self, expected: int, what: str) -> None:
        found = self.integer()
        if found != expected:
            raise self.error(f"{what} was expected ({expected}), not {found},")

    def expect_text(self, expected: str) -> None:
        found = self.text()
        if found != expected:
            raise self.error(f"the layer {expected!r} was expected, not {found!r},")

    def expect_alias(self, expected: tuple[int, ...]) -> None:
        self.expect_integer(_ALIAS, "the shape of a tensor")
        found = tuple(self.integer() for _ in range(4))
        if found != expected:
            raise self.error(f"a tensor of {expected} was expected, not {found},")

    def _take(self, count: int) -> bytes:
        if count > len(self._data) - self.at:
            raise self.error("the file ends too early")
        taken = self._data[self.at : self.at + count]
        self.at += count
        return taken
