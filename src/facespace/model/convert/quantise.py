"""Quantise an embedding model: convert its float32 network to int8, calibrated on faces.

Everything after the last convolution stays float32: it takes little time, and rounding it would round the embedding
itself. docs/decisions/051-quantisation.md.
"""

import os
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

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
from facespace.model.convert.static import OPERATORS, REMARK, divided, prepared, quantised, quantising, serialised

# Calibration keeps the output of every layer for every face: about 10 MB per face for a ResNet at 150 pixels.
CALIBRATION_FACES = 128

# Activations cover the middle 99.998 % of the values: one unusual face must not coarsen all others.
PERCENTILE = 99.999

_BATCH = 16


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
    calibrating, compared = divided(faces, CALIBRATION_FACES, "faces")
    calibrating = _whole_batches(calibrating)
    before = Engine(model, "cpu").embed(compared)
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
    after = Engine(ModelFile(Path(target), card, onnx_file), "cpu").embed(compared)
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
    return decisions.model_copy(update={"data": f"{decisions.data} {REMARK}"})


def _quantised(model: ModelFile, faces: NDArray[np.uint8]) -> bytes:
    with quantising(model.path):
        network = prepared(model.onnx)
        batches = (prepare(faces[start : start + _BATCH], model.card) for start in range(0, len(faces), _BATCH))
        return serialised(quantised(network, batches, _after_the_last_convolution(network.graph), PERCENTILE))


def _whole_batches(faces: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Drop an incomplete last batch, because onnxruntime's histograms need batches of one size."""
    return faces[: len(faces) - len(faces) % min(_BATCH, len(faces))]


def _after_the_last_convolution(graph: onnx.GraphProto) -> list[str]:
    convolutions = [index for index, node in enumerate(graph.node) if node.op_type == "Conv"]
    if not convolutions:
        raise ValueError("it has no convolutions")
    return [node.name for node in list(graph.node)[convolutions[-1] + 1 :] if node.op_type in OPERATORS]
