"""Bounds for what a network may compute inside, so that no photo makes it run away.

Batch normalisation is a fixed factor once training is over. A photo unlike those it was fixed for, such as one of
glaring colours, then grows from layer to layer, by a thousand times at the end, and whatever it shows comes out as one
and the same point: strangers at distance zero. An upper bound on each ReLU stops the growth where it begins.
"""

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from facespace.processors import session_threads

# Times the largest value inside an ordinary face. docs/decisions/065-bounded-activations.md
ROOM = 2.0


def capped(network: bytes, faces: NDArray[np.float32], room: float = ROOM) -> bytes:
    """The network with an upper bound on every ReLU: `room` times its largest output for the median face.

    Parameters
    ----------
    network : bytes
        ONNX, with one input.
    faces : float32, shape (n, 3, height, width)
        Ordinary faces as the network takes them; some hundred are enough.

    Returns
    -------
    bytes
        ONNX. As it was where it has no ReLU, or where one never gave anything.
    """
    model = onnx.load_from_string(network)
    ends = [node for node in model.graph.node if node.op_type == "Relu"]
    if not ends:
        return network
    bounds = room * np.median(_largest(network, [node.output[0] for node in ends], faces), axis=0)
    for node, bound in zip(ends, bounds, strict=True):
        if bound > 0:
            names = [f"{node.output[0]}/at_least", f"{node.output[0]}/at_most"]
            values = (np.array(0, np.float32), np.array(bound, np.float32))
            model.graph.initializer.extend(map(numpy_helper.from_array, values, names))
            node.op_type = "Clip"
            node.input.extend(names)
    serialised: bytes = model.SerializeToString()
    return serialised


def _largest(network: bytes, names: list[str], faces: NDArray[np.float32]) -> NDArray[np.float32]:
    """Largest number of each named result for each face, shape (n, len(names))."""
    model = onnx.load_from_string(network)
    model.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names)
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = session_threads(None)
    session = ort.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    given = session.get_inputs()[0].name
    # One face at a time: what is inside a network is large.
    return np.array([[result.max() for result in session.run(names, {given: face[None]})] for face in faces])
