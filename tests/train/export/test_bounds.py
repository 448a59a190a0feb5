"""Bounded activations: unchanged embeddings of ordinary faces, and no growth for unusual photos."""

import numpy as np
import onnx
import pytest
import torch
from onnx import helper

from facespace.train.export.bounds import _largest, bound_activations
from facespace.train.export.model import to_onnx
from facespace.train.networks import build_network


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return to_onnx(build_network("small-resnet", 32, 40, 64).eval(), 32, 40)


def outputs(network, faces):
    return _largest(network, ["embeddings"], faces)


def test_ordinary_faces_are_embedded_as_before(network, rng):
    faces = rng.uniform(-1, 1, (9, 3, 40, 32)).astype(np.float32)
    bounded = bound_activations(network, faces)
    assert "Clip" in {node.op_type for node in onnx.load_from_string(bounded).graph.node}
    assert outputs(bounded, faces) == pytest.approx(outputs(network, faces), abs=1e-6)


def test_activations_of_unusual_photos_are_bounded(network, rng):
    faces = rng.uniform(-1, 1, (9, 3, 40, 32)).astype(np.float32)
    inside = [node.output[0] for node in onnx.load_from_string(network).graph.node if node.op_type == "Relu"]
    usual = np.median(_largest(network, inside, faces), axis=0)
    glaring = 100 * faces[:2]
    assert (_largest(network, inside, glaring) > 20 * usual).all()
    assert (_largest(bound_activations(network, faces), inside, glaring) <= 2.001 * usual).all()


def test_a_network_without_relu_is_unchanged():
    shape = ["n", 3, 8, 8]
    given, made = (helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name in ("faces", "points"))
    graph = helper.make_graph([helper.make_node("Tanh", ["faces"], ["points"])], "plain", [given], [made])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]).SerializeToString()
    assert bound_activations(model, np.zeros((2, 3, 8, 8), np.float32)) == model
