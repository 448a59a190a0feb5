"""Static quantisation with onnxruntime: convert a float32 network to int8, calibrated on faces.

Weights become signed bytes with a scale per channel, activations unsigned bytes whose range covers the middle 99.998 %
of the values on the calibration faces. Everything after the last convolution stays float32: it takes little time, and
rounding it would round the embedding itself. docs/decisions/051-quantisation.md.
"""

import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from facespace.errors import ModelError
from facespace.metric import paired_squared_distances
from facespace.model import (
    Card,
    DecisionsCard,
    Engine,
    ModelFile,
    QuantisedCard,
    prepare,
    read_model,
    weights_sha256,
    write_model,
)

# Calibration keeps the output of every layer for every face: about 10 MB per face for a ResNet at 150 pixels.
CALIBRATION_FACES = 128

_BATCH = 16

# Convolutions and the operations between them; everything else stays float32.
_OPERATORS = ["Conv", "Relu", "Clip", "Add", "MaxPool", "AveragePool", "Pad"]


def quantise(
    model: ModelFile, faces: NDArray[np.uint8], target: str | os.PathLike[str], data: str = "faces"
) -> ModelFile:
    """Quantise a model to int8 and write it.

    Parameters
    ----------
    model : ModelFile
        A float32 model.
    faces : uint8, shape (n, height, width, 3), RGB
        Aligned for the model. Of every four, the first three are used for calibration (at most 128), and the fourth
        to compare the two networks. Give 100 or more faces of people as varied as those the model will see, and none
        that it will be evaluated on.
    target : path
        The model file to write.
    data : str
        Source of the faces, for the card.

    Returns
    -------
    ModelFile
        The model file that was written. The card says how far the embeddings moved. It keeps the float32 model's
        thresholds if that is less than their uncertainty; otherwise it has none, and they must be measured.

    Raises
    ------
    ModelError
        The model is quantised already, there are too few faces, quantisation fails, or the target cannot be written.
    """
    if model.card.quantised is not None:
        raise ModelError(f"{model.path} is quantised already; use the float32 model it was made from")
    if len(faces) < 4:
        raise ModelError(f"{len(faces)} faces are too few for calibration; give 100 or more")
    engine = Engine(model, "cpu")
    compared = np.arange(len(faces)) % 4 == 3
    before = engine.embed(faces[compared])
    calibrating = _whole_batches(faces[~compared][:CALIBRATION_FACES])
    onnx_file = _quantised(model, calibrating)
    card = model.card.model_copy(
        update={
            "name": f"{model.card.name}-int8",
            "weights_sha256": weights_sha256(onnx_file),
            # These were measured on other weights; the drift says how similar they are.
            "figures": (),
            "limits": (),
        }
    )
    after = Engine(ModelFile(Path(target), card, onnx_file), "cpu").embed(faces[compared])
    drift = float(paired_squared_distances(before, after).mean())
    card = card.model_copy(
        update={
            "quantised": QuantisedCard(
                weights_sha256=model.card.weights_sha256, data=data, faces=len(calibrating), drift=drift
            ),
            "decisions": _decisions(model.card, drift),
        }
    )
    write_model(target, onnx_file, card)
    return read_model(target)


def _decisions(card: Card, drift: float) -> DecisionsCard | None:
    """The float32 model's decisions, if quantisation moves distances by less than their uncertainty.

    If two embeddings move independently by e, their squared distance grows by 2 |e|^2 on average.
    """
    decisions = card.decisions
    if decisions is None or any(entry.threshold + 2 * drift > entry.high for entry in decisions.thresholds):
        return None
    return decisions.model_copy(update={"data": f"{decisions.data} (measured before quantisation)"})


def _quantised(model: ModelFile, faces: NDArray[np.uint8]) -> bytes:
    with tempfile.TemporaryDirectory() as folder, _quiet():
        given, prepared, made = (str(Path(folder) / f"{name}.onnx") for name in ("given", "prepared", "made"))
        Path(given).write_bytes(model.onnx)
        try:
            quant_pre_process(given, prepared, skip_symbolic_shape=True)
            network = _named(onnx.load(prepared))
            quantize_static(
                network,
                made,
                _Faces(model.card, network.graph.input[0].name, faces),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=_OPERATORS,
                nodes_to_exclude=_after_the_last_convolution(network.graph),
                per_channel=True,
                # Seven bits, because a processor without VNNI adds two 8-bit products in 16 bits, which overflow.
                reduce_range=True,
                weight_type=QuantType.QInt8,
                activation_type=QuantType.QUInt8,
                calibrate_method=CalibrationMethod.Percentile,
            )
        except Exception as error:  # onnxruntime's tools raise exceptions of any type
            raise ModelError(f"onnxruntime cannot quantise {model.path}: {error}") from error
        quantised = onnx.load(made)
    quantised.producer_name, quantised.producer_version = "facespace", ""
    del quantised.metadata_props[:]
    serialised: bytes = quantised.SerializeToString(deterministic=True)
    return serialised


def _whole_batches(faces: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Drop an incomplete last batch, because onnxruntime's histograms need batches of one size."""
    return faces[: len(faces) - len(faces) % min(_BATCH, len(faces))]


def _named(network: onnx.ModelProto) -> onnx.ModelProto:
    """Give every node a name, by which it can be excluded: excluding an unnamed node would exclude all unnamed ones."""
    for index, node in enumerate(network.graph.node):
        node.name = node.name or f"{node.op_type}_{index}"
    return network


def _after_the_last_convolution(graph: onnx.GraphProto) -> list[str]:
    convolutions = [index for index, node in enumerate(graph.node) if node.op_type == "Conv"]
    if not convolutions:
        raise ValueError("it has no convolutions")
    return [node.name for node in list(graph.node)[convolutions[-1] + 1 :] if node.op_type in _OPERATORS]


class _Faces(CalibrationDataReader):  # type: ignore[misc]
    """Calibration faces in batches, through onnxruntime's interface."""

    def __init__(self, card: Card, name: str, faces: NDArray[np.uint8]):
        self._batches = ({name: prepare(faces[start : start + _BATCH], card)} for start in range(0, len(faces), _BATCH))

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        return next(self._batches, None)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence onnxruntime's tools, which print to the terminal and warn about intended settings."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with redirect_stdout(StringIO()):
            yield
    finally:
        logging.disable(level)
