"""Adapt ONNX networks made elsewhere."""

from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from facespace.errors import ModelError


def open_batch(data: bytes, source: Path) -> bytes:
    """Make the network's batch axis dynamic; returns the same bytes if it is already.

    Raises
    ------
    ModelError
        It is not an ONNX network with one input (n, 3, height, width) and one output (n, dimension).
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
            f"{source} is not an embedding network: it maps {shapes[: len(inputs)]} to {shapes[len(inputs) :]}, "
            "but one input (n, 3, height, width) and one output (n, dimension) are needed"
        )
    axes = [value.type.tensor_type.shape.dim[0] for value in (inputs[0], outputs[0])]
    if not any(axis.dim_value for axis in axes):
        return data
    for axis in axes:
        axis.dim_param = "n"
    # Shapes inferred for a batch of one are wrong for a dynamic axis.
    del model.graph.value_info[:]
    serialised: bytes = model.SerializeToString(deterministic=True)
    return serialised
