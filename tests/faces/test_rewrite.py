"""Rewritten networks give the same results as the originals."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from facespace.errors import ModelError
from facespace.faces.mtcnn import _weights_folder
from facespace.faces.rewrite import rewritten
from facespace.onnxgraph import read_network, write_network

SHAPES = {"pnet.onnx": (1, 61, 45, 3), "rnet.onnx": (5, 24, 24, 3), "onet.onnx": (3, 48, 48, 3)}


def outputs(content: bytes, pixels: np.ndarray) -> list[np.ndarray]:
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(content, options, ["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: pixels})


def chain(slopes: np.ndarray, pools: bool, channels: int = 5) -> bytes:
    """Convolution, PRelu, optional pooling, and a convolution, with random weights."""
    rng = np.random.default_rng(0)
    weights = {
        "w": rng.normal(size=(channels, 3, 3, 3)),
        "b": rng.normal(size=channels),
        "slope": slopes,
        "v": rng.normal(size=(2, channels, 1, 1)),
        "c": rng.normal(size=2),
    }
    nodes = [helper.make_node("Conv", ["x", "w", "b"], ["t"]), helper.make_node("PRelu", ["t", "slope"], ["u"])]
    if pools:
        nodes.append(helper.make_node("MaxPool", ["u"], ["p"], kernel_shape=[2, 2], strides=[2, 2]))
    nodes.append(helper.make_node("Conv", ["p" if pools else "u", "v", "c"], ["y"]))
    graph = helper.make_graph(
        nodes,
        "chain",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, "h", "w"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(values.astype(np.float32), name) for name, values in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 12)], ir_version=7)
    return model.SerializeToString()


@pytest.mark.parametrize("name", SHAPES)
def test_the_rewritten_detector_networks_give_the_same_results(name, rng):
    content = (_weights_folder() / name).read_bytes()
    pixels = rng.normal(0, 0.6, SHAPES[name]).astype(np.float32)
    new = rewritten(content, name)
    assert b"PRelu" not in new
    onnx.checker.check_model(onnx.load_from_string(new))
    for before, after in zip(outputs(content, pixels), outputs(new, pixels), strict=True):
        assert after == pytest.approx(before, abs=1e-5)


@pytest.mark.parametrize("pools", [False, True])
@pytest.mark.parametrize("slopes", [[-2, -0.3, 0, 0.4, 1], [3, 1.5, 0.2, -0.5, 1.01]])
def test_slopes_of_any_sign_and_size_are_preserved(slopes, pools, rng):
    content = chain(np.array(slopes)[:, None, None], pools)
    pixels = rng.normal(0, 2, (2, 3, 11, 9)).astype(np.float32)
    new = rewritten(content, "chain.onnx")
    assert b"PRelu" not in new
    assert outputs(new, pixels)[0] == pytest.approx(outputs(content, pixels)[0], abs=1e-4)


def test_reading_and_writing_round_trips():
    content = (_weights_folder() / "onet.onnx").read_bytes()
    before, after = (
        onnx.load_from_string(content),
        onnx.load_from_string(write_network(read_network(content, "onet.onnx"))),
    )
    assert [(node.op_type, node.input, node.output, node.attribute) for node in after.graph.node] == [
        (node.op_type, node.input, node.output, node.attribute) for node in before.graph.node
    ]
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in after.graph.initializer}
    for tensor in before.graph.initializer:
        assert (weights[tensor.name] == numpy_helper.to_array(tensor)).all()
    assert after.graph.input == before.graph.input
    assert after.opset_import == before.opset_import


def test_a_damaged_file_and_weights_of_another_type_are_refused():
    content = (_weights_folder() / "pnet.onnx").read_bytes()
    with pytest.raises(ModelError, match="pnet.onnx is not a complete ONNX file"):
        rewritten(content[:-100], "pnet.onnx")
    model = onnx.load_from_string(content)
    first = model.graph.initializer[0]
    first.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(first).astype(np.float64), first.name))
    with pytest.raises(ModelError, match="must be float32"):
        rewritten(model.SerializeToString(), "pnet.onnx")
