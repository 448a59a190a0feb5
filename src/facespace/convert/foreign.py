"""Checking and adapting ONNX networks made elsewhere."""

from pathlib import Path

import numpy as np
import onnx
from google.protobuf.message import DecodeError

from facespace.embed import Card, Engine, ModelFile
from facespace.errors import ModelError

# How far an L2 norm may be from 1 where the card says that the output is normalised.
_NORM_SLACK = 1e-3

# How far the points of a batch may be from those of its faces alone.
_BATCH_SLACK = 1e-3


def open_batch(data: bytes, source: Path) -> bytes:
    """The network with its batch axis open; the same bytes where it is open already.

    Raises
    ------
    ModelError
        Not an ONNX network of one input (n, 3, height, width) and one output (n, dimension).
    """
    try:
        model = onnx.load_from_string(data)
    except DecodeError:
        raise ModelError(f"{source} is not an ONNX file, or is damaged; get it again") from None
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    outputs = list(model.graph.output)
    shapes = [[axis.dim_value or axis.dim_param for axis in v.type.tensor_type.shape.dim] for v in inputs + outputs]
    if len(inputs) != 1 or len(outputs) != 1 or len(shapes[0]) != 4 or len(shapes[1]) != 2:
        raise ModelError(
            f"{source} is no embedding network: it maps {shapes[: len(inputs)]} to {shapes[len(inputs) :]}, "
            "but one input (n, 3, height, width) and one output (n, dimension) are needed"
        )
    axes = [value.type.tensor_type.shape.dim[0] for value in (inputs[0], outputs[0])]
    if not any(axis.dim_value for axis in axes):
        return data
    for axis in axes:
        axis.dim_param = "n"
    # What was inferred for a batch of one is wrong for the open axis.
    del model.graph.value_info[:]
    serialised: bytes = model.SerializeToString(deterministic=True)
    return serialised


def checked(data: bytes, card: Card, source: Path) -> None:
    """Run the network on noise, and see that it does what its card says.

    Raises
    ------
    ModelError
        It does not load, fits another card, does not embed faces of a batch as it embeds each alone, or does not
        normalise its output although the card says so.
    """
    engine = Engine(ModelFile(source, card, data), provider="cpu")
    size = card.input
    noise = np.random.default_rng(0).integers(0, 256, (3, size.height, size.width, 3), np.uint8)
    try:
        together = engine.run(noise)
        alone = np.concatenate([engine.run(noise[index : index + 1]) for index in range(len(noise))])
    except Exception as error:  # onnxruntime's exceptions share no public parent
        raise ModelError(f"{source} does not run on a batch of {len(noise)} faces: {error}") from None
    if not np.isfinite(together).all():
        raise ModelError(f"{source} gives values that are not finite")
    scale = float(np.abs(alone).max())
    if float(np.abs(together - alone).max()) > _BATCH_SLACK * scale:
        raise ModelError(
            f"{source} embeds a face otherwise in a batch than alone; export it in evaluation mode, so that "
            "batch normalisation takes its trained statistics"
        )
    norms = np.linalg.norm(together, axis=1)
    if card.normalised and float(np.abs(norms - 1).max()) > _NORM_SLACK:
        raise ModelError(
            f"the card of {source} says that the output has L2 norm 1, but it is {norms.min():.3g} to "
            f"{norms.max():.3g}; set normalised = false"
        )
