"""Read, change and write the nodes and weights of an ONNX file without the onnx package."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facespace.errors import ModelError
from facespace.protobuf import field, fields, varint, varint_field

# Field numbers of onnx.ModelProto, GraphProto, NodeProto and TensorProto.
_GRAPH = 7
_NODE, _INITIALIZER = 1, 5
_INPUT, _OUTPUT, _OPERATION, _ATTRIBUTE = 1, 2, 4, 5
_DIMS, _DATA_TYPE, _FLOATS, _NAME, _RAW = 1, 2, 4, 8, 9
_FLOAT32 = 1


@dataclass(frozen=True)
class Node:
    """An operation of the graph.

    operation : its ONNX operator, such as Conv
    inputs, outputs : names of tensors
    attributes : encoded, as in the file
    """

    operation: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: bytes = b""


@dataclass(frozen=True)
class Network:
    """A network's nodes and weights.

    nodes : in order of execution
    tensors : weights by name, float32
    rest_of_graph, rest_of_model : the other fields (inputs, outputs, versions), encoded as in the file
    """

    nodes: list[Node]
    tensors: dict[str, NDArray[np.float32]]
    rest_of_graph: bytes
    rest_of_model: bytes


def read_network(onnx: bytes, where: str) -> Network:
    """Parse an ONNX file.

    Raises
    ------
    ModelError
        The file is not ONNX, or has weights that are not float32.
    """
    nodes, tensors, rest_of_graph, rest_of_model = [], {}, [], []
    for number, start, end, begin in fields(onnx, where):
        if number != _GRAPH:
            rest_of_model.append(onnx[begin:end])
            continue
        graph = onnx[start:end]
        for part, first, last, whole in fields(graph, where):
            if part == _NODE:
                nodes.append(_node(graph[first:last], where))
            elif part == _INITIALIZER:
                name, values = _tensor(graph[first:last], where)
                tensors[name] = values
            else:
                rest_of_graph.append(graph[whole:last])
    return Network(nodes, tensors, b"".join(rest_of_graph), b"".join(rest_of_model))


def write_network(network: Network) -> bytes:
    """Encode a network as an ONNX file; weights that no node uses are dropped."""
    used = {name for node in network.nodes for name in node.inputs}
    parts = [field(_NODE, _encoded_node(node)) for node in network.nodes]
    parts += [
        field(_INITIALIZER, _encoded_tensor(name, values)) for name, values in network.tensors.items() if name in used
    ]
    return network.rest_of_model + field(_GRAPH, b"".join([*parts, network.rest_of_graph]))


def _node(message: bytes, where: str) -> Node:
    texts: dict[int, list[str]] = {_INPUT: [], _OUTPUT: [], _OPERATION: []}
    attributes = []
    for number, start, end, begin in fields(message, where):
        if number in texts:
            texts[number].append(message[start:end].decode())
        elif number == _ATTRIBUTE:
            attributes.append(message[begin:end])
    return Node(texts[_OPERATION][0], tuple(texts[_INPUT]), tuple(texts[_OUTPUT]), b"".join(attributes))


def _encoded_node(node: Node) -> bytes:
    texts = [field(_INPUT, name.encode()) for name in node.inputs]
    texts += [field(_OUTPUT, name.encode()) for name in node.outputs]
    return b"".join([*texts, field(_OPERATION, node.operation.encode()), node.attributes])


def _tensor(message: bytes, where: str) -> tuple[str, NDArray[np.float32]]:
    name, kind, shape, data = "", None, [], b""
    for number, start, end, _ in fields(message, where):
        if number == _NAME:
            name = message[start:end].decode()
        elif number == _DATA_TYPE:
            kind, _ = varint(message, start)
        elif number == _DIMS:
            at = start
            while at < end:
                size, at = varint(message, at)
                shape.append(size)
        elif number in (_FLOATS, _RAW):
            # Packed floats and raw data are the same bytes.
            data += message[start:end]
    if kind != _FLOAT32 or len(data) != 4 * np.prod(shape, dtype=int):
        raise ModelError(f"{where}: the weights {name!r} must be float32 and stored in the file itself")
    return name, np.frombuffer(data, "<f4").reshape(shape)


def _encoded_tensor(name: str, values: NDArray[np.float32]) -> bytes:
    sizes = [varint_field(_DIMS, size) for size in values.shape]
    data = field(_RAW, np.ascontiguousarray(values, "<f4").tobytes())
    return b"".join([*sizes, varint_field(_DATA_TYPE, _FLOAT32), field(_NAME, name.encode()), data])
