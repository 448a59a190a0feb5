"""Run a network stored by MXNet, of the layers that MobileFaceNet has, to label training faces with its embeddings."""

import ast
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

# Marks of an array: without a shape of 64 bits, and with one (the second and third also say how it is stored).
_MARKS = {0xF993FAC8: False, 0xF993FAC9: True, 0xF993FACA: True}
_FLOAT32, _DENSE = 0, 0
_LIST = 0x112


class MxnetNetwork:
    """The network of a folder with NAME-symbol.json and NAME-0000.params.

    Raises
    ------
    ValueError
        A file is not in MXNet's format, or has a layer or a type of numbers that this class does not know.
    """

    def __init__(self, symbol: Path, params: Path):
        self._nodes = json.loads(symbol.read_text("utf-8"))["nodes"]
        self._weights = {name.partition(":")[2]: torch.from_numpy(array) for name, array in read_params(params)}

    @torch.inference_mode()
    def __call__(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embed faces.

        Parameters
        ----------
        pixels : ndarray of uint8, shape (n, h, w, 3), RGB

        Returns
        -------
        ndarray of float32, shape (n, d), not normalised
        """
        values: list[Tensor | None] = []
        for node in self._nodes:
            given = [values[entry[0]] for entry in node["inputs"]]
            if node["op"] != "null":
                values.append(
                    _layer(node["op"], given, node.get("attrs") or node.get("attr") or node.get("param") or {})
                )
            elif node["name"] == "data":
                values.append(torch.from_numpy(pixels).permute(0, 3, 1, 2).float().contiguous())
            else:
                values.append(self._weights.get(node["name"]))
        last = values[-1]
        assert last is not None
        return last.numpy()


def _layer(kind: str, given: list[Any], options: dict[str, str]) -> Tensor:
    if kind == "_minus_scalar":
        return given[0] - float(options["scalar"])
    if kind == "_mul_scalar":
        return given[0] * float(options["scalar"])
    if kind == "elemwise_add":
        return given[0] + given[1]
    if kind == "Convolution":
        stride, pad = (ast.literal_eval(options.get(key, default)) for key, default in (("stride", "1"), ("pad", "0")))
        groups = int(options.get("num_group", "1"))
        bias = None if options.get("no_bias") == "True" else given[2]
        return functional.conv2d(given[0], given[1], bias, stride, pad, 1, groups)
    if kind == "BatchNorm":
        images, gamma, beta, mean, variance = given
        # MXNet's default is to ignore the stored scale.
        scale = torch.ones_like(gamma) if options.get("fix_gamma", "True") == "True" else gamma
        return functional.batch_norm(images, mean, variance, scale, beta, eps=float(options.get("eps", "1e-3")))
    if kind == "LeakyReLU" and options.get("act_type") == "prelu":
        return functional.prelu(given[0], given[1].flatten())
    if kind == "FullyConnected":
        return functional.linear(given[0].flatten(1), given[1], given[2])
    raise ValueError(f"the layer {kind} of MXNet is not known here")


def read_params(path: Path) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Read the arrays of a .params file with their names, such as 'arg:conv_1_weight'."""
    content, place = path.read_bytes(), 0

    def take(form: str) -> tuple[Any, ...]:
        nonlocal place
        found = struct.unpack_from(f"<{form}", content, place)
        place += struct.calcsize(f"<{form}")
        return found

    try:
        if take("QQ")[0] != _LIST:
            raise ValueError(f"{path} is not a list of MXNet's arrays")
        arrays = []
        for _ in range(take("Q")[0]):
            (mark,) = take("I")
            if mark not in _MARKS:
                raise ValueError(f"{path} has an array of an unknown version of MXNet")
            stored = take("i")[0] if _MARKS[mark] else _DENSE
            shape = take(f"{take('I')[0]}q")
            kind = take("iii")[2]
            if (stored, kind) != (_DENSE, _FLOAT32):
                raise ValueError(f"{path} has an array that is not dense float32")
            count = int(np.prod(shape))
            (numbers,) = take(f"{4 * count}s")
            arrays.append(np.frombuffer(numbers, "<f4").reshape(shape).copy())
        names = []
        for _ in range(take("Q")[0]):
            (name,) = take(f"{take('Q')[0]}s")
            names.append(name.decode())
    except (struct.error, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is cut off or damaged: {error}") from None
    yield from zip(names, arrays, strict=True)
