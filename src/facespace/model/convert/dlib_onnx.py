"""Convert dlib's face recognition network to ONNX.

dlib compares its embeddings without normalising them. Their norms, about 1.2 to 1.7, carry information, and normalising
loses accuracy (docs/decisions/050-dlib-on-the-sphere.md). So they are lifted onto a sphere of radius R in one more
dimension,

    x  ->  (x, sqrt(R^2 - |x|^2)) / R,

after which the squared distance is |x - y|^2 / R^2 plus a little for the difference of the norms. All but the last
number of an embedding, times R, are dlib's own embedding.
"""

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from facespace.model.convert.dlib_file import Convolution, ResNet

# Above the norm of any face seen; embeddings with a larger norm would be normalised.
RADIUS = 2.0

# Supported by every onnxruntime that this package allows.
_OPSET, _IR_VERSION = 17, 8


def resnet_to_onnx(network: ResNet) -> bytes:
    """Convert the network to ONNX: (n, 3, size, size) to (n, dimension + 1), with L2 norm 1.

    Subtracting the mean and dividing by 256 are part of the card's input preparation. The affine transform after each
    convolution is folded into it.
    """
    graph = _Graph()
    features = graph.relu(graph.convolution("faces", network.stem))
    features = graph.add("MaxPool", [features], kernel_shape=[3, 3], strides=[2, 2])
    channels, side = len(network.stem.bias), _side(_side(network.size, 7, 2), 3, 2)
    for block in network.blocks:
        inner = graph.relu(graph.convolution(features, block.first))
        inner = graph.convolution(inner, block.second)
        filters = len(block.second.bias)
        inner_side = outer_side = side
        outer = features
        if block.halves:
            outer = graph.add("AveragePool", [features], kernel_shape=[2, 2], strides=[2, 2])
            inner_side, outer_side = _side(side, 3, 2), _side(side, 2, 2)
        # If the two sides of an addition differ in size, dlib pads the smaller one with zeros.
        widest, side = max(channels, filters), max(inner_side, outer_side)
        outer = graph.grow(outer, widest - channels, side - outer_side)
        inner = graph.grow(inner, widest - filters, side - inner_side)
        features, channels = graph.relu(graph.add("Add", [inner, outer])), widest
    pooled = graph.add("ReduceMean", [features], axes=[2, 3], keepdims=0)
    graph.lift(graph.add("MatMul", [pooled, graph.constant(network.projection)]), output="embeddings")
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "dlib-resnet",
            [helper.make_tensor_value_info("faces", TensorProto.FLOAT, ["n", 3, network.size, network.size])],
            [helper.make_tensor_value_info("embeddings", TensorProto.FLOAT, ["n", network.projection.shape[1] + 1])],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
        producer_name="facespace",
    )
    onnx.checker.check_model(model)
    serialised: bytes = model.SerializeToString(deterministic=True)
    return serialised


def _side(side: int, kernel: int, stride: int) -> int:
    """Output size of a window without padding on an input of `side` pixels."""
    return (side - kernel) // stride + 1


class _Graph:
    """Builder of an ONNX graph: each method adds nodes and returns the name of their output."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def add(self, operator: str, inputs: list[str], output: str | None = None, **attributes: Any) -> str:
        name = output or f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [name], **attributes))
        return name

    def constant(self, values: NDArray[np.float32] | NDArray[np.int64]) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(values, name))
        return name

    def relu(self, features: str) -> str:
        return self.add("Relu", [features])

    def convolution(self, features: str, layer: Convolution) -> str:
        scale = layer.scale.astype(np.float64)
        weights = (layer.weights * scale[:, None, None, None]).astype(np.float32)
        bias = (layer.bias * scale + layer.shift).astype(np.float32)
        kernel = layer.weights.shape[-1]
        return self.add(
            "Conv",
            [features, self.constant(weights), self.constant(bias)],
            kernel_shape=[kernel, kernel],
            strides=[layer.stride] * 2,
            pads=[layer.padding] * 4,
        )

    def lift(self, points: str, output: str) -> None:
        """Lift embeddings onto the sphere, in one more dimension."""
        squares = self.add("ReduceSumSquare", [points], axes=[1], keepdims=1)
        height = self.relu(self.add("Sub", [self.constant(np.array(RADIUS**2, np.float32)), squares]))
        lifted = self.add("Concat", [points, self.add("Sqrt", [height])], axis=1)
        self.add("Mul", [lifted, self.constant(np.array(1 / RADIUS, np.float32))], output)

    def grow(self, features: str, channels: int, pixels: int) -> str:
        """Pad with zeros to this many channels, and with rows and columns (at the bottom and right)."""
        if channels == 0 and pixels == 0:
            return features
        return self.add("Pad", [features, self.constant(np.array([0, 0, 0, 0, 0, channels, pixels, pixels], np.int64))])
