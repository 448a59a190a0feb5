"""Rewrite convolutional networks so that onnxruntime runs them faster, with the same results.

onnxruntime convolves in its own layout, blocks of channels, and leaves it for operations that do not support it.
PRelu is one of them: its kernel is not vectorised, and takes more than half of the time of MTCNN's networks. Here it is
replaced by a product, a Relu and a sum, which do support the layout: with slope a,

    PRelu(x) = x + Relu((a - 1) x)    where a <= 1
    PRelu(x) = x - Relu((1 - a) x)    where a > 1

Pooling stays in the layout if the channels fill whole blocks, so channels of zeros are added. Results change only by
rounding. docs/decisions/010-detector.md.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from facespace.onnxgraph import Network, Node, read_network, write_network

# Channels per block with AVX-512; the block size with AVX2 divides it.
BLOCK = 16


def rewritten(onnx: bytes, where: str) -> bytes:
    """Return a faster network with the same results.

    Parameters
    ----------
    onnx : bytes
        An ONNX file with float32 weights.
    where : str
        Name of the file in messages.

    Raises
    ------
    ModelError
        The file is not ONNX, or has weights that are not float32.
    """
    return write_network(_without_prelu(_split(_in_blocks(read_network(onnx, where)))))


def _in_blocks(network: Network) -> Network:
    """Pad convolutions before pooling to whole blocks of channels; the next convolution ignores the added ones."""
    tensors = dict(network.tensors)
    for first, *between, last in _chains(network.nodes):
        weights, bias, following = (tensors[name] for name in (first.inputs[1], first.inputs[2], last.inputs[1]))
        added = -len(weights) % BLOCK
        tensors[first.inputs[1]] = _grown(weights, 0, added)
        tensors[first.inputs[2]] = _grown(bias, 0, added)
        tensors[last.inputs[1]] = _grown(following, 1, added)
        for node in between:
            if node.operation == "PRelu":
                tensors[node.inputs[1]] = _grown(tensors[node.inputs[1]], -3, added)
    return replace(network, tensors=tensors)


def _chains(nodes: list[Node]) -> Iterator[list[Node]]:
    """Find runs of nodes from a convolution over PRelu and pooling to the next convolution."""
    for start, first in enumerate(nodes):
        run = [first]
        for node in nodes[start + 1 :]:
            if node.inputs[0] != run[-1].outputs[0]:
                break
            run.append(node)
            if node.operation not in ("PRelu", "MaxPool"):
                break
        if [node.operation for node in run] == ["Conv", "PRelu", "MaxPool", "Conv"]:
            yield run


def _grown(values: NDArray[np.float32], axis: int, added: int) -> NDArray[np.float32]:
    shape = list(values.shape)
    shape[axis] = added
    return np.concatenate([values, np.zeros(shape, np.float32)], axis=axis)


def _split(network: Network) -> Network:
    """Split PRelu with slopes on both sides of 1 into two, one for each side.

    The second one is monotonic, so max pooling may come before it, and it then has fewer values to process.
    """
    tensors, nodes = dict(network.tensors), list(network.nodes)
    for at in reversed(range(len(nodes))):
        node = nodes[at]
        if node.operation != "PRelu" or (tensors[node.inputs[1]] <= 1).all():
            continue
        slopes, result = tensors[node.inputs[1]], node.outputs[0]
        low, high, between = f"{result}/low", f"{result}/high", f"{result}/between"
        tensors |= {low: np.minimum(slopes, 1), high: np.maximum(slopes, 1)}
        pools = nodes[at + 1].operation == "MaxPool" and nodes[at + 1].inputs[0] == result
        if pools:
            pooled = replace(nodes[at + 1], outputs=(between,))
            second = Node("PRelu", (between, high), nodes[at + 1].outputs)
            nodes[at : at + 2] = [Node("PRelu", (node.inputs[0], low), node.outputs), pooled, second]
        else:
            first = Node("PRelu", (node.inputs[0], low), (between,))
            nodes[at : at + 1] = [first, Node("PRelu", (between, high), node.outputs)]
    return replace(network, nodes=nodes, tensors=tensors)


def _without_prelu(network: Network) -> Network:
    """Replace every PRelu, whose slopes are all on one side of 1, by product, Relu and sum."""
    tensors, nodes = dict(network.tensors), []
    for node in network.nodes:
        if node.operation != "PRelu":
            nodes.append(node)
            continue
        (given, name), (result,) = node.inputs, node.outputs
        slopes = tensors[name]
        factor, product, bend = f"{result}/factor", f"{result}/product", f"{result}/bend"
        tensors[factor] = -np.abs(slopes - 1)
        nodes += [Node("Mul", (given, factor), (product,)), Node("Relu", (product,), (bend,))]
        if (slopes > 1).any():
            # Not Sub, which has no blocked kernel.
            sign, turned = f"{result}/sign", f"{result}/turned"
            tensors[sign] = np.full_like(slopes, -1)
            nodes.append(Node("Mul", (bend, sign), (turned,)))
            bend = turned
        nodes.append(Node("Add", (given, bend), (result,)))
    return replace(network, nodes=nodes, tensors=tensors)
