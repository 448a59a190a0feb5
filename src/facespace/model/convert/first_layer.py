"""Make the first convolution of an int8 network faster, without changing what it computes.

A convolution of three channels leaves most of an int8 instruction empty, because instructions work on groups of four
channels and more. So four neighbouring pixels of a row become one pixel of twelve channels, and the convolution makes
two neighbouring outputs at a time. docs/decisions/014-one-shot-detector.md.
"""

from typing import Any, NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

# Pixels of a row in a block, and the outputs that a convolution of stride 2 makes of them.
BLOCK, PAIR = 4, 2

_SHAPE = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}
_ON_BLOCKS = {"kernel_shape": [3, 2], "strides": [2, 1], "pads": [1, 1, 0, 0]}
_USUAL = {"dilations": [1, 1], "group": 1, "auto_pad": b"NOTSET"}


class _Layer(NamedTuple):
    """The nodes of the first layer, in the order of computation; `weights` dequantise the convolution's constants."""

    transpose: onnx.NodeProto
    convolution: onnx.NodeProto
    quantise: onnx.NodeProto
    weights: list[onnx.NodeProto]


def users(graph: onnx.GraphProto, name: str) -> list[onnx.NodeProto]:
    """The nodes that take this value as an input."""
    return [node for node in graph.node if name in node.input]


def work_on_blocks(network: onnx.ModelProto) -> bool:
    """Rewrite the first convolution of a quantised network, in place.

    Parameters
    ----------
    network : onnx.ModelProto
        From uint8 pixels (n, h, w, 3), h even and w a multiple of 4. Its first layers transpose the pixels,
        dequantise them, and apply a convolution of three channels with kernel 3, stride 2 and padding 1, whose output
        is quantised.

    Returns
    -------
    bool
        False if the network begins otherwise; it is unchanged then.
    """
    graph = network.graph
    layer = _first_layer(graph)
    if layer is None:
        return False
    channels = _double(graph, layer)
    pixels, pairs = layer.transpose.input[0], layer.quantise.output[0]
    layer.transpose.input[0] = "blocks"
    for node in users(graph, pairs):
        node.input[0] = "apart"
    first = [_node("Reshape", [pixels, "block_shape"], "blocks")]
    last = [
        _node("Transpose", [pairs], "pairs_last", perm=[0, 2, 3, 1]),
        _node("Reshape", ["pairs_last", "pair_shape"], "apart_last"),
        _node("Transpose", ["apart_last"], "apart", perm=[0, 3, 1, 2]),
    ]
    for name, size in (("block_shape", 3 * BLOCK), ("pair_shape", channels)):
        graph.initializer.append(numpy_helper.from_array(np.array([0, 0, -1, size], np.int64), name))
    # A node must come after those whose outputs it takes.
    after = [node.output[0] for node in graph.node].index(pairs) + 1
    nodes = [*first, *graph.node[:after], *last, *graph.node[after:]]
    del graph.node[:]
    graph.node.extend(nodes)
    # Shapes inferred before no longer hold.
    del graph.value_info[:]
    return True


def _double(graph: onnx.GraphProto, layer: _Layer) -> int:
    """Let the convolution make pairs of outputs from blocks of pixels; returns the channels of one output."""
    constants = {tensor.name: tensor for tensor in graph.initializer}
    kernel = layer.weights[0].input[0]
    channels: int = constants[kernel].dims[0]
    for name in {name for node in layer.weights for name in node.input}:
        values = numpy_helper.to_array(constants[name])
        if name == kernel:
            values = _of_blocks(values)
        elif values.ndim:
            values = np.concatenate([values] * PAIR)
        constants[name].CopyFrom(numpy_helper.from_array(values, name))
    for attribute in layer.convolution.attribute:
        if attribute.name in _ON_BLOCKS:
            attribute.ints[:] = _ON_BLOCKS[attribute.name]
    return channels


def _first_layer(graph: onnx.GraphProto) -> _Layer | None:
    chain, name = [], graph.input[0].name
    for kind in ("Transpose", "DequantizeLinear", "Conv", "QuantizeLinear"):
        following = users(graph, name)
        if [node.op_type for node in following] != [kind]:
            return None
        chain.append(following[0])
        name = following[0].output[0]
    transpose, _, convolution, quantise = chain
    constants = {tensor.name: tensor for tensor in graph.initializer}
    made = {node.output[0]: node for node in graph.node}
    weights = [made[name] for name in convolution.input[1:] if name in made]
    if (
        len(weights) != len(convolution.input) - 1
        or any(name not in constants or len(users(graph, name)) > 1 for node in weights for name in node.input)
        or list(constants[weights[0].input[0]].dims[1:]) != [3, 3, 3]
        or _attributes(transpose) != {"perm": [0, 3, 1, 2]}
        or {**_USUAL, **_attributes(convolution)} != {**_USUAL, **_SHAPE}
        or any(node.op_type != "DequantizeLinear" for node in users(graph, quantise.output[0]))
    ):
        return None
    return _Layer(transpose, convolution, quantise, weights)


def _of_blocks(kernel: NDArray[np.int8]) -> NDArray[np.int8]:
    """A kernel (outputs, 3, 3, 3) of single pixels as one (2 * outputs, 12, 3, 2) of blocks of four.

    A pair of outputs needs the last pixel of the block to the left, and all of its own.
    """
    outputs = len(kernel)
    made = np.zeros((PAIR * outputs, 3 * BLOCK, 3, 2), kernel.dtype)
    for output in range(PAIR):
        for column in range(3):
            # The left block begins at -4.
            block, pixel = divmod(2 * output - 1 + column + BLOCK, BLOCK)
            rows, channels = slice(output * outputs, (output + 1) * outputs), slice(3 * pixel, 3 * pixel + 3)
            made[rows, channels, :, block] = kernel[:, :, :, column]
    return made


def _attributes(node: onnx.NodeProto) -> dict[str, object]:
    values = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    return {name: list(value) if isinstance(value, list) else value for name, value in values.items()}


def _node(kind: str, inputs: list[str], output: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(kind, inputs, [output], name=output, **attributes)
