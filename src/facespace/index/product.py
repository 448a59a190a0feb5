"""Integer matrix products by onnxruntime, whose kernels multiply bytes directly; numpy converts them to floats first.

The network has four operations and is encoded here as a protobuf message.
"""

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from facespace.protobuf import field, varint_field

Floats = NDArray[np.float32]

# Range of each part of a query. Processors without VNNI add pairs of products in 16 bits, and 2 * 126 * 128 is the
# largest sum that fits: the bytes are 63 - 63 to 63 + 63.
LARGEST = 63

# The fine part of a query counts in steps of 1/64 of the coarse part.
FINE = 64

# Dimensions of a point at most. Sums of products stay far within 32 bits: 63 * 128 * 4,096 < 2^25.
MAX_DIMENSIONS = 4096

# Field numbers of onnx.ModelProto, GraphProto, NodeProto, AttributeProto, ValueInfoProto, TypeProto and TensorProto.
_IR_VERSION, _GRAPH, _OPSET, _OPSET_VERSION = 1, 7, 8, 2
_NODE, _GRAPH_NAME, _INITIALIZER, _GRAPH_INPUT, _GRAPH_OUTPUT = 1, 2, 5, 11, 12
_INPUT, _OUTPUT, _OPERATION, _ATTRIBUTE = 1, 2, 4, 5
_ATTRIBUTE_NAME, _INTEGER, _INTEGERS, _ATTRIBUTE_TYPE = 1, 3, 8, 20
_VALUE_NAME, _TYPE, _TENSOR_TYPE, _ELEMENT, _SHAPE, _DIM = 1, 2, 1, 1, 2, 1
_DATA_TYPE, _TENSOR_NAME, _RAW = 2, 8, 9
_FLOAT32, _UINT8, _INT8 = 1, 2, 3


@dataclass(frozen=True)
class Whole:
    """Queries as integers: each query is about `scale * numbers`.

    numbers : uint8, shape (1, n, d); 63 represents 0
    scale : float32, shape (n,)
    left : float32, shape (n,)
        L2 norm of the rounding error. By Cauchy-Schwarz it bounds the error of a product with any vector of L2 norm 1.
    """

    numbers: NDArray[np.uint8]
    scale: Floats
    left: Floats

    @classmethod
    def of(cls, queries: Floats) -> "Whole":
        """Round queries, float32, shape (n, d); none may be all zeros."""
        scale = np.abs(queries).max(axis=1, keepdims=True) / np.float32(LARGEST)
        numbers = np.rint(queries / scale)
        left = np.linalg.norm(queries - scale * numbers, axis=1)
        return cls((numbers + LARGEST).astype(np.uint8)[None], scale[:, 0], left)


def products(queries: Whole, tiles: NDArray[np.int8], lengths: Floats) -> tuple[Floats, Floats]:
    """Dot products of each query with each point, in units of the query's scale, in the calling thread only.

    Parameters
    ----------
    queries : Whole
    tiles : int8, shape (t, d, w)
        Points as columns, w per tile.
    lengths : float32, shape (t, 1, w)
        Factor for the products with each point.

    Returns
    -------
    products : float32, shape (t, n, w)
    largest : float32, shape (t, n), largest product of each tile
    """
    return _session().run(None, {"queries": queries.numbers, "tiles": tiles, "lengths": lengths})


@functools.cache
def _session() -> Any:
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    return ort.InferenceSession(_network(), options, providers=["CPUExecutionProvider"])


def _network() -> bytes:
    graph = [
        field(_GRAPH_NAME, b"products"),
        _array(_GRAPH_INPUT, "queries", _UINT8, 3),
        _array(_GRAPH_INPUT, "tiles", _INT8, 3),
        _array(_GRAPH_INPUT, "lengths", _FLOAT32, 3),
        _number("zero", _UINT8, bytes([LARGEST])),
        _node("MatMulInteger", "queries tiles zero", "sums"),
        _node("Cast", "sums", "floats", _integer("to", _FLOAT32)),
        _node("Mul", "floats lengths", "products"),
        _node("ReduceMax", "products", "largest", _integers("axes", 2), _integer("keepdims", 0)),
        _array(_GRAPH_OUTPUT, "products", _FLOAT32, 3),
        _array(_GRAPH_OUTPUT, "largest", _FLOAT32, 2),
    ]
    opset = field(_OPSET, varint_field(_OPSET_VERSION, 13))
    return varint_field(_IR_VERSION, 8) + field(_GRAPH, b"".join(graph)) + opset


def _node(operation: str, inputs: str, outputs: str, *attributes: bytes) -> bytes:
    names = [field(_INPUT, name.encode()) for name in inputs.split()]
    names += [field(_OUTPUT, name.encode()) for name in outputs.split()]
    return field(_NODE, b"".join([*names, field(_OPERATION, operation.encode()), *attributes]))


def _integer(name: str, value: int) -> bytes:
    content = field(_ATTRIBUTE_NAME, name.encode()) + varint_field(_INTEGER, value) + varint_field(_ATTRIBUTE_TYPE, 2)
    return field(_ATTRIBUTE, content)


def _integers(name: str, value: int) -> bytes:
    content = field(_ATTRIBUTE_NAME, name.encode()) + varint_field(_INTEGERS, value) + varint_field(_ATTRIBUTE_TYPE, 7)
    return field(_ATTRIBUTE, content)


def _number(name: str, element: int, raw: bytes) -> bytes:
    content = varint_field(_DATA_TYPE, element) + field(_TENSOR_NAME, name.encode()) + field(_RAW, raw)
    return field(_INITIALIZER, content)


def _array(role: int, name: str, element: int, axes: int) -> bytes:
    """Declare an input or output array, with axes of any length."""
    tensor = varint_field(_ELEMENT, element) + field(_SHAPE, field(_DIM, b"") * axes)
    return field(role, field(_VALUE_NAME, name.encode()) + field(_TYPE, field(_TENSOR_TYPE, tensor)))
