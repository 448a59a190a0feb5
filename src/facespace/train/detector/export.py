"""Export a detector's training run as one ONNX file with its card."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import torch
from torch import Tensor, nn

from facespace.errors import ModelError
from facespace.faces.detector_file import DetectorModelCard, read_detector, write_detector
from facespace.onnxfile import weights_sha256
from facespace.train.detector.calibrate import PIECE, Calibration, faceless_pieces, fit_scores, threshold_for
from facespace.train.detector.loop import averaged_network
from facespace.train.detector.network import DetectorNetwork
from facespace.train.detector.photos import LabelledPhotos
from facespace.train.detector.recipe import parse_detector_recipe, without_folders
from facespace.train.detector.validate import kept_boxes, maps_of
from facespace.train.engine.checkpoint import best_checkpoint
from facespace.train.engine.history import read_history
from facespace.train.export.onnx_of import onnx_of

# Mean number of false boxes in a photo without faces, from which the threshold follows.
FALSE_BOXES = 0.1
# Largest difference of any output between torch and onnxruntime.
AGREEMENT = 2e-3
# The same if weights are stored in float16, and the minimum number of weights of a layer that is.
HALVED, SMALL = 0.1, 256


class _FromPixels(nn.Module):
    """The network with its input scaling: from uint8 (n, h, w, 3) to its maps."""

    def __init__(self, network: DetectorNetwork):
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.network(pixels.permute(0, 3, 1, 2).to(torch.float32)))


def export_detector(run: Path, path: Path, validation: LabelledPhotos | None, version: str = "1") -> DetectorModelCard:
    """Write a run as a detector's file, and check it against torch.

    Scores are calibrated to probabilities on the validation photos, and the threshold is the one that gives
    `FALSE_BOXES` boxes in a piece of those photos without faces. Without validation photos, scores are not calibrated
    and the threshold is 0.5.

    Parameters
    ----------
    run : path
        Folder of the run. Its checkpoint with the highest validation precision is exported, otherwise its last.
    path : path
        The file to write.
    validation : LabelledPhotos or None
    version : str

    Raises
    ------
    DataError
        There is no checkpoint.
    ModelError
        onnxruntime and torch disagree, or the file cannot be written.
    """
    checkpoint = best_checkpoint(run)
    recipe = parse_detector_recipe(checkpoint.recipe, f"of {run}")
    network = averaged_network(checkpoint, recipe)
    said: dict[str, Any] = {"score": 0.5}
    if validation is not None:
        network = with_probabilities(network, fit_scores(maps_of(network), validation))
        said = _threshold(network, validation)
    onnx = detector_to_onnx(network)
    records = [record for record in read_history(run / "history.jsonl") if record.get("step") == checkpoint.step]
    figures = {
        key: value for record in records for key, value in record.items() if key in _MEASURED and np.isfinite(value)
    }
    card = DetectorModelCard(
        name=recipe.name,
        version=version,
        weights_sha256=weights_sha256(onnx),
        **said,
        data=recipe.data.description,
        licence=recipe.data.licence,
        data_terms=recipe.data.terms,
        figures={f"validation {key}": value for key, value in figures.items()} | {"steps": checkpoint.step},
        recipe=without_folders(recipe.model_dump(mode="json", exclude_none=True)),
    )
    write_detector(path, onnx, card)
    return read_detector(path)[0]


def with_probabilities(network: DetectorNetwork, calibration: Calibration) -> DetectorNetwork:
    """The same network with calibrated scores."""
    copy = DetectorNetwork(*network.section)
    copy.load_state_dict(network.state_dict())
    with torch.no_grad():
        copy.scale[0] *= calibration.slope
        copy.bias[0] = copy.bias[0] * calibration.slope + calibration.offset
    return copy.eval()


def _threshold(network: DetectorNetwork, validation: LabelledPhotos) -> dict[str, Any]:
    look, scores, pieces = maps_of(network), [np.zeros(0, np.float32)], 0
    for number in range(len(validation)):
        for piece in faceless_pieces(validation.pixels(number), validation.labels(number)):
            scores.append(kept_boxes(look(piece)).scores)
            pieces += 1
    every = np.concatenate(scores)
    score = round(float(np.clip(threshold_for(every, pieces, FALSE_BOXES), 0.2, 0.9)) + 0.005, 2)
    return {
        "score": score,
        "false_boxes": round(float((every >= score).sum()) / max(pieces, 1), 4),
        "false_boxes_data": f"{pieces} pieces without a labelled face of the validation photos, of "
        f"{PIECE} pixels a side and more",
    }


_MEASURED = ("precision", "large_recall", "landmark_error")


def detector_to_onnx(network: DetectorNetwork) -> bytes:
    """A network in evaluation mode as ONNX, from uint8 (n, h, w, 3) of any size to its maps.

    Raises
    ------
    ModelError
        onnxruntime and torch disagree.
    """
    ready = _FromPixels(_with_bytes(network)).eval()
    rows, columns = (torch.export.Dim(axis, min=2, max=512) for axis in ("rows", "columns"))
    sizes = {0: torch.export.Dim("n"), 1: 32 * rows, 2: 32 * columns}
    example = torch.zeros(2, 96, 128, 3, dtype=torch.uint8)
    model = onnx_of(ready, example, sizes, ["pixels"], ["eighth", "sixteenth", "thirtysecond"])
    exact: bytes = model.SerializeToString()
    _check(ready, exact, AGREEMENT)
    _halve(model.graph)
    onnx: bytes = model.SerializeToString()
    _check(ready, onnx, HALVED)
    return onnx


def _halve(graph: Any) -> None:
    """Keep the weights in float16, which halves the file; onnxruntime widens them once, when it loads the network."""
    import onnx

    casts = []
    for place, weights in enumerate(graph.initializer):
        if weights.data_type != onnx.TensorProto.FLOAT or math.prod(weights.dims) < SMALL:
            continue
        values, name = onnx.numpy_helper.to_array(weights), weights.name
        kept = onnx.numpy_helper.from_array(values.astype(np.float16), f"{name}.half")
        graph.initializer[place].CopyFrom(kept)
        casts.append(onnx.helper.make_node("Cast", [kept.name], [name], to=onnx.TensorProto.FLOAT))
    rest = list(graph.node)
    del graph.node[:]
    graph.node.extend([*casts, *rest])


def _check(ready: nn.Module, onnx: bytes, allowed: float) -> None:
    session = ort.InferenceSession(onnx, providers=["CPUExecutionProvider"])
    pixels = np.random.default_rng(0).integers(0, 256, (3, 160, 224, 3), dtype=np.uint8)
    with torch.inference_mode():
        expected = ready(torch.from_numpy(pixels))
    given = session.run(None, {"pixels": pixels})
    difference = max(float(np.abs(a.numpy() - b).max()) for a, b in zip(expected, given, strict=True))
    if difference > allowed:
        raise ModelError(f"onnxruntime and torch differ by {difference:.1e}, more than {allowed:g}; not exported")


def _with_bytes(network: DetectorNetwork) -> DetectorNetwork:
    """The same network for pixels of 0 to 255, with the scales of its outputs in their weights."""
    section = network.section
    copy = DetectorNetwork(*section)
    copy.load_state_dict(network.state_dict())
    with torch.no_grad():
        first = next(module for module in copy.modules() if isinstance(module, nn.Conv2d))
        first.weight /= 255
        copy.out.weight *= copy.scale[:, :, :, None]
        copy.scale.fill_(1)
    return copy.eval()
