"""Upper bounds on the activations of a network, for photos unlike the training faces.

After training, batch normalisation multiplies by a constant. With unusual photos, for example of saturated colours,
activations then grow from layer to layer, up to a thousandfold. All such photos get nearly the same embedding, so
that different people are at distance zero. An upper bound on each ReLU stops the growth where it begins.
"""

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from facespace.processors import session_threads

# Bound as a multiple of the largest activation of an ordinary face. docs/decisions/065-bounded-activations.md
HEADROOM = 2.0


def bound_activations(network: bytes, faces: NDArray[np.float32], headroom: float = HEADROOM) -> bytes:
    """Put an upper bound on every ReLU: `headroom` times its largest output for the median face.

    Parameters
    ----------
    network : bytes
        ONNX, with one input.
    faces : float32, shape (n, 3, height, width)
        Ordinary faces, prepared for the network; about a hundred are enough.
    headroom : float
        Bound as a multiple of the largest activation.

    Returns
    -------
    bytes
        ONNX. A network without ReLU, and a ReLU whose output is always 0, are left unchanged.
    """
    model = onnx.load_from_string(network)
    ends = [node for node in model.graph.node if node.op_type == "Relu"]
    if not ends:
        return network
    bounds = headroom * np.median(_largest(network, [node.output[0] for node in ends], faces), axis=0)
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
    """Return the maximum of each named output for each face, shape (n, len(names))."""
    model = onnx.load_from_string(network)
    model.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names)
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = session_threads(None)
    session = ort.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    given = session.get_inputs()[0].name
    # One face at a time, because the activations of all layers are large.
    return np.array([[result.max() for result in session.run(names, {given: face[None]})] for face in faces])
