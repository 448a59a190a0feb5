"""Static quantisation: a float32 network to one of int8, calibrated on faces (onnxruntime).

Weights become signed bytes a channel, activations unsigned bytes whose range is what the middle 99.998 % of values
on the calibration faces take. Everything after the last convolution stays float32: it costs little time, and the
embedding itself would be rounded. docs/decisions/051-quantisation.md.
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

# Calibration keeps what every layer gives for every face: about 10 MB a face for a ResNet at 150 pixels.
CALIBRATION_FACES = 128

_BATCH = 16

# Convolutions, and what stands between them: whatever else a network has stays float32.
_OPERATORS = ["Conv", "Relu", "Clip", "Add", "MaxPool", "AveragePool", "Pad"]


def quantise(
    model: ModelFile, faces: NDArray[np.uint8], target: str | os.PathLike[str], data: str = "faces"
) -> ModelFile:
    """Write the int8 form of a model.

    Parameters
    ----------
    model : ModelFile
        Of float32.
    faces : uint8, shape (n, height, width, 3), RGB
        Cut out as the model wants them. Of each four the first three calibrate (at most 128), on the fourth the
        two networks are compared; take 100 or more faces of people as different as those it will see, and
        none of those it is to be measured on.
    target : path
        The model file to write.
    data : str
        Whose faces they are, for the card.

    Returns
    -------
    ModelFile
        As written. The card says how far the points moved. Its thresholds are those of the float32 model where they
        moved by less than the thresholds are known to; else it has none, and they must be measured.

    Raises
    ------
    ModelError
        Quantised already, too few faces, the network cannot be quantised, or the target cannot be written.
    """
    if model.card.quantised is not None:
        raise ModelError(f"{model.path} is quantised already; take the float32 model it was made from")
    if len(faces) < 4:
        raise ModelError(f"{len(faces)} faces are too few to calibrate on; give 100 or more")
    engine = Engine(model, "cpu")
    compared = np.arange(len(faces)) % 4 == 3
    before = engine.embed(faces[compared])
    calibrating = _whole_batches(faces[~compared][:CALIBRATION_FACES])
    onnx_file = _quantised(model, calibrating)
    card = model.card.model_copy(
        update={
            "name": f"{model.card.name}-int8",
            "weights_sha256": weights_sha256(onnx_file),
            # Measured on other weights; the drift says how near they are.
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
    """The float32 model's decisions, where quantisation moves distances by less than they are known to.

    Two points that each move by e on their own are farther apart by 2 |e|^2 in the mean.
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
                # Seven bits: a processor without VNNI adds two products of eight bits in 16, and they overflow.
                reduce_range=True,
                weight_type=QuantType.QInt8,
                activation_type=QuantType.QUInt8,
                calibrate_method=CalibrationMethod.Percentile,
            )
        except Exception as error:  # onnxruntime's tools raise whatever they meet
            raise ModelError(f"onnxruntime cannot quantise {model.path}: {error}") from error
        quantised = onnx.load(made)
    quantised.producer_name, quantised.producer_version = "facespace", ""
    del quantised.metadata_props[:]
    serialised: bytes = quantised.SerializeToString(deterministic=True)
    return serialised


def _whole_batches(faces: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """All but the last few: onnxruntime's histograms are of batches of one size."""
    return faces[: len(faces) - len(faces) % min(_BATCH, len(faces))]


def _named(network: onnx.ModelProto) -> onnx.ModelProto:
    """Each node with a name, by which it can be left out: one without would take all that have none with it."""
    for index, node in enumerate(network.graph.node):
        node.name = node.name or f"{node.op_type}_{index}"
    return network


def _after_the_last_convolution(graph: onnx.GraphProto) -> list[str]:
    convolutions = [index for index, node in enumerate(graph.node) if node.op_type == "Conv"]
    if not convolutions:
        raise ValueError("it has no convolutions")
    return [node.name for node in list(graph.node)[convolutions[-1] + 1 :] if node.op_type in _OPERATORS]


class _Faces(CalibrationDataReader):  # type: ignore[misc]
    """Calibration faces in batches, as onnxruntime asks for them."""

    def __init__(self, card: Card, name: str, faces: NDArray[np.uint8]):
        self._batches = ({name: prepare(faces[start : start + _BATCH], card)} for start in range(0, len(faces), _BATCH))

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        return next(self._batches, None)


@contextmanager
def _quiet() -> Iterator[None]:
    """onnxruntime's tools print to the terminal and warn of what is done here on purpose."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with redirect_stdout(StringIO()):
            yield
    finally:
        logging.disable(level)
