"""A model is run, and must do what its card says."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from facespace.errors import ModelError
from facespace.model import Card, ModelFile, check_model, read_model, weights_sha256, write_model

CARD = {
    "name": "probe",
    "version": "1",
    "dimension": 4,
    "normalised": False,
    "detector": "whole-photo",
    "crop": "box",
    "licence": "MIT",
    "data_terms": "none",
    "input": {"width": 6, "height": 6, "colour": "RGB", "mean": [0, 0, 0], "std": [255, 255, 255]},
}


def probe(tmp_path, nodes, constants=(), **changes) -> ModelFile:
    """A model file of these nodes: 'faces' (n, 3, 6, 6) to 'points' (n, 4)."""
    graph = helper.make_graph(
        [helper.make_node(kind, inputs, outputs, **attributes) for kind, inputs, outputs, attributes in nodes],
        "probe",
        [helper.make_tensor_value_info("faces", TensorProto.FLOAT, ["n", 3, 6, 6])],
        [helper.make_tensor_value_info("points", TensorProto.FLOAT, ["n", 4])],
        [numpy_helper.from_array(np.asarray(value, np.float32), name) for name, value in constants],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
    card = Card.parse({**CARD, **changes, "weights_sha256": weights_sha256(model)}, "here")
    write_model(tmp_path / "probe.onnx", model, card)
    return read_model(tmp_path / "probe.onnx")


WEIGHTS = ("weights", np.random.default_rng(0).normal(size=(108, 4)))
FLAT = ("Flatten", ["faces"], ["flat"], {})


def test_a_valid_model_passes_and_missing_parts_are_reported(model_path, tmp_path):
    assert check_model(read_model(model_path)) == ()
    model = probe(tmp_path, [FLAT, ("MatMul", ["flat", "weights"], ["points"], {})], [WEIGHTS], crop="other-160")
    remarks = check_model(model)
    assert any("crop 'other-160'" in remark for remark in remarks)
    assert any("no thresholds" in remark for remark in remarks)


def test_batch_statistics_are_detected(tmp_path):
    centred = [
        FLAT,
        ("MatMul", ["flat", "weights"], ["raw"], {}),
        ("ReduceMean", ["raw"], ["mean"], {"axes": [0], "keepdims": 1}),
        ("Sub", ["raw", "mean"], ["points"], {}),
    ]
    with pytest.raises(ModelError, match="differently in a batch than alone"):
        check_model(probe(tmp_path, centred, [WEIGHTS]))


def test_values_that_are_not_finite_are_detected(tmp_path):
    divided = [FLAT, ("MatMul", ["flat", "weights"], ["raw"], {}), ("Div", ["raw", "zero"], ["points"], {})]
    with pytest.raises(ModelError, match="not finite"):
        check_model(probe(tmp_path, divided, [WEIGHTS, ("zero", 0)]))


def test_a_false_claim_of_norm_one_is_detected(tmp_path):
    with pytest.raises(ModelError, match="set normalised = false"):
        check_model(
            probe(tmp_path, [FLAT, ("MatMul", ["flat", "weights"], ["points"], {})], [WEIGHTS], normalised=True)
        )


def test_a_network_that_does_not_load_is_refused(tmp_path):
    unknown = [FLAT, ("NoSuchOperator", ["flat"], ["points"], {})]
    with pytest.raises(ModelError, match="onnxruntime cannot load"):
        check_model(probe(tmp_path, unknown))


def test_onnx_checks_the_probe_as_valid(tmp_path):
    onnx.checker.check_model(probe(tmp_path, [FLAT, ("MatMul", ["flat", "weights"], ["points"], {})], [WEIGHTS]).onnx)
