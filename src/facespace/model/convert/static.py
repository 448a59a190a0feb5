"""Static quantisation with onnxruntime, for networks of embeddings and of detectors.

Weights become signed bytes with a scale per channel, activations unsigned bytes whose range covers nearly all values on
the calibration photos. docs/decisions/051-quantisation.md.
"""

import logging
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from facespace.errors import ModelError

# Convolutions and the operations between them; everything else stays float32.
OPERATORS = ("Conv", "Relu", "Clip", "Add", "MaxPool", "AveragePool", "Pad", "Resize")

# Figures on the card of a float32 network say nothing exact about the int8 network.
REMARK = "(measured before quantisation)"


def divided(items: NDArray[np.uint8], most: int, kind: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Use the first three of every four items, at most `most`, for calibration, and the fourth to compare networks.

    Raises
    ------
    ModelError
        There are fewer than four; `kind` says of what.
    """
    if len(items) < 4:
        raise ModelError(f"{len(items)} {kind} are too few for calibration; give 100 or more")
    compared = np.arange(len(items)) % 4 == 3
    return items[~compared][:most], items[compared]


@contextmanager
def quantising(path: str | os.PathLike[str]) -> Iterator[None]:
    """Silence onnxruntime's tools, which print to the terminal and warn about intended settings.

    Raises
    ------
    ModelError
        In place of any exception within; the tools raise exceptions of any type.
    """
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with redirect_stdout(StringIO()):
            yield
    except Exception as error:
        raise ModelError(f"cannot quantise {path}: {error}") from error
    finally:
        logging.disable(level)


def prepared(network: bytes) -> onnx.ModelProto:
    """A network with its constants computed, batch normalisation in the convolutions, and a name for every node."""
    with tempfile.TemporaryDirectory() as folder:
        given, made = Path(folder) / "given.onnx", Path(folder) / "made.onnx"
        given.write_bytes(network)
        quant_pre_process(str(given), str(made), skip_symbolic_shape=True)
        ready = onnx.load(str(made))
    # Nodes are excluded by name: excluding an unnamed node would exclude all unnamed ones.
    for index, node in enumerate(ready.graph.node):
        node.name = node.name or f"{node.op_type}_{index}"
    return ready


def quantised(
    network: onnx.ModelProto,
    batches: Iterable[NDArray[Any]],
    excluded: Sequence[str],
    percentile: float,
    scales: Mapping[str, float] | None = None,
) -> onnx.ModelProto:
    """Quantise a prepared network.

    Parameters
    ----------
    network : onnx.ModelProto
        With one input.
    batches : iterable of arrays
        Inputs for calibration. All batches must have the same size.
    excluded : names of nodes that stay float32
    percentile : float
        How many of the values of an activation lie below the upper end of its range, and above the lower end.
    scales : mapping or None
        Scales of activations that are known, by name; they have the zero point 0.

    Returns
    -------
    onnx.ModelProto
        With pairs of QuantizeLinear and DequantizeLinear, and without metadata.
    """
    known = {
        name: [{"scale": np.array(scale, np.float32), "zero_point": np.array(0, np.uint8)}]
        for name, scale in (scales or {}).items()
    }
    with tempfile.TemporaryDirectory() as folder:
        made = str(Path(folder) / "made.onnx")
        quantize_static(
            network,
            made,
            _Batches(network.graph.input[0].name, batches),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(OPERATORS),
            nodes_to_exclude=list(excluded),
            per_channel=True,
            # Seven bits, because a processor without VNNI adds two 8-bit products in 16 bits, which overflow.
            reduce_range=True,
            weight_type=QuantType.QInt8,
            activation_type=QuantType.QUInt8,
            calibrate_method=CalibrationMethod.Percentile,
            extra_options={"CalibPercentile": percentile, "TensorQuantOverrides": known},
        )
        result = onnx.load(made)
    result.producer_name, result.producer_version = "facespace", ""
    del result.metadata_props[:]
    return result


def serialised(network: onnx.ModelProto) -> bytes:
    """The network as the bytes of a file; always the same for the same network."""
    made: bytes = network.SerializeToString(deterministic=True)
    return made


class _Batches(CalibrationDataReader):  # type: ignore[misc]
    """Calibration inputs through onnxruntime's interface."""

    def __init__(self, name: str, batches: Iterable[NDArray[Any]]):
        self._batches = ({name: batch} for batch in batches)

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        return next(self._batches, None)
