"""Quantise a detector made by `facespace train detector`: convert its float32 network to int8.

The layers that make the outputs stay float32, and the bytes of the pixels are used as they are.
docs/decisions/014-one-shot-detector.md.
"""

import os
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray

from facespace.errors import ModelError
from facespace.faces.candidates import probability
from facespace.faces.detector_file import DetectorModelCard, QuantisedDetectorCard, read_detector, write_detector
from facespace.model import weights_sha256
from facespace.model.convert.first_layer import users, work_on_blocks
from facespace.model.convert.static import REMARK, divided, prepared, quantised, quantising, serialised

# Calibration keeps the output of every layer for every piece: about 25 MB each at 384 pixels.
CALIBRATION_PIECES = 90

# Most of a photo is not a face, so the few highest activations matter: with 99.999, scores moved by .0205 on average on
# 240 training photos of WIDER FACE that were not used for calibration, with 99.9999 by .0178.
PERCENTILE = 99.9999

# The drift is measured where one of the networks gives a higher score; nearly all other cells are far from a face.
SEEN = 0.1


def quantise_detector(
    detector: str | os.PathLike[str],
    pieces: NDArray[np.uint8],
    target: str | os.PathLike[str],
    data: str = "photos",
) -> DetectorModelCard:
    """Quantise a detector to int8 and write it.

    Parameters
    ----------
    detector : path
        A float32 detector.
    pieces : uint8, shape (n, height, width, 3), RGB, height and width multiples of 32
        Parts of photos, as `facespace.bulk.calibration_pieces` chooses them. Of every four, the first three are used
        for calibration (at most 90), and the fourth to compare the two networks.
    target : path
        The file to write.
    data : str
        Source of the photos, for the card.

    Returns
    -------
    DetectorModelCard
        The card that was written. It keeps the figures of the float32 network with a remark, and its threshold.

    Raises
    ------
    ModelError
        The file is not a detector, is quantised already or has another network than `facespace train detector` makes;
        there are too few pieces; or the target cannot be written.
    """
    card, before = read_detector(Path(detector))
    if card.quantised is not None:
        raise ModelError(f"{detector} is quantised already; use the float32 detector it was made from")
    calibrating, compared = divided(pieces, CALIBRATION_PIECES, "photos")
    with quantising(detector):
        after = _quantised(before, calibrating)
        drift = _drift(before, after, compared)
    made = card.model_copy(
        update={
            "weights_sha256": weights_sha256(after),
            "false_boxes_data": card.false_boxes_data + f" {REMARK}" * (card.false_boxes is not None),
            # The number of steps is not a measurement.
            "figures": {name if name == "steps" else f"{name} {REMARK}": value for name, value in card.figures.items()},
            "quantised": QuantisedDetectorCard(
                weights_sha256=card.weights_sha256, data=data, photos=len(calibrating), drift=drift
            ),
        }
    )
    write_detector(Path(target), after, made)
    return read_detector(Path(target))[0]


def _quantised(onnx_file: bytes, pieces: NDArray[np.uint8]) -> bytes:
    network = prepared(onnx_file)
    pixels = _pixels(network.graph)
    batches = (piece[None] for piece in pieces)
    made = quantised(network, batches, _output_layers(network.graph), PERCENTILE, scales={pixels: 1.0})
    _take_bytes(made.graph, pixels)
    work_on_blocks(made)
    return serialised(made)


def _pixels(graph: onnx.GraphProto) -> str:
    """The name of the pixels as float32, from which the first convolution starts."""
    casts = [node for node in graph.node if node.op_type == "Cast"]
    given = graph.input[0].type.tensor_type.elem_type
    convolved = [node.op_type for cast in casts for node in users(graph, cast.output[0])] == ["Conv"]
    if given != onnx.TensorProto.UINT8 or not convolved:
        raise ValueError("its first layer is not a convolution of bytes, as in a detector of this package")
    name: str = casts[0].output[0]
    return name


def _output_layers(graph: onnx.GraphProto) -> list[str]:
    """Names of the nodes from the last convolution before each output."""
    made, names = {name: node for node in graph.node for name in node.output}, []
    for output in graph.output:
        name = output.name
        while name in made:
            names.append(made[name].name)
            if made[name].op_type == "Conv":
                break
            name = made[name].input[0]
        else:
            raise ValueError(f"its output {output.name} is not made by a convolution")
    return names


def _take_bytes(graph: onnx.GraphProto, pixels: str) -> None:
    """Dequantise the bytes of the input, instead of casting them to float32 and quantising those."""
    (cast,) = (node for node in graph.node if pixels in node.output)
    (quantise,) = users(graph, pixels)
    for node in users(graph, quantise.output[0]):
        node.input[0] = cast.input[0]
    graph.node.remove(cast)
    graph.node.remove(quantise)


def _drift(before: bytes, after: bytes, pieces: NDArray[np.uint8]) -> float | None:
    first, second = (_scores(network, pieces) for network in (before, after))
    seen = np.maximum(first, second) > SEEN
    return float(np.abs(first - second)[seen].mean()) if seen.any() else None


def _scores(network: bytes, pieces: NDArray[np.uint8]) -> NDArray[np.floating]:
    """The scores of all cells of all pieces, one after the other."""
    session = ort.InferenceSession(network, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    logits = [level[0, 0].ravel() for piece in pieces for level in session.run(None, {name: piece[None]})]
    return probability(np.concatenate(logits))
