"""The int8 form of a model: close to the float32 one, with the difference stated, refused if it is not possible."""

import numpy as np
import onnx
import pytest

from facespace.bulk import calibration_faces
from facespace.errors import DataError, ModelError
from facespace.metric import paired_squared_distances
from facespace.model import Engine, ThresholdCard, read_model, weights_sha256, write_model
from facespace.model.convert import import_model, quantise
from facespace.space import load


@pytest.fixture(scope="module")
def resnet(dlib_resnet, tmp_path_factory):
    """A small residual network as a model file, for photos that are faces."""
    folder = tmp_path_factory.mktemp("resnet")
    (folder / "net.dat").write_bytes(dlib_resnet[0])
    return import_model(folder / "net.dat", folder / "net.onnx")


@pytest.fixture(scope="module")
def faces():
    """Smooth pictures of 150x150, as varied as possible."""
    rng = np.random.default_rng(0)
    return np.repeat(np.repeat(rng.integers(0, 256, (40, 10, 10, 3), np.uint8), 15, axis=1), 15, axis=2)


def test_the_int8_network_is_close_to_the_original_and_states_the_drift(model_path, people, tmp_path):
    model = read_model(model_path)
    crops = calibration_faces(load(model_path), people)
    made = quantise(model, crops, tmp_path / "int8.onnx", "ORL")
    compared = crops[3::4]
    before, after = Engine(model, "cpu").embed(compared), Engine(made, "cpu").embed(compared)
    drift = paired_squared_distances(before, after).mean()
    assert made.card.quantised.drift == pytest.approx(drift, rel=1e-4)
    assert 0 < drift < paired_squared_distances(before[:-1], before[1:]).mean() / 20
    assert (made.card.quantised.data, made.card.quantised.faces) == ("ORL", len(crops) * 3 // 4 // 16 * 16)
    assert made.card.quantised.weights_sha256 == model.card.weights_sha256


def test_convolutions_are_int8_and_what_follows_them_is_float(resnet, faces, tmp_path):
    graph = onnx.load_from_string(quantise(resnet, faces, tmp_path / "int8.onnx").onnx).graph
    kinds = [node.op_type for node in graph.node]
    last = max(index for index, kind in enumerate(kinds) if kind == "Conv")
    assert "MatMul" in kinds[last:]
    assert not {"QuantizeLinear", "DequantizeLinear"} & set(kinds[last + 4 :])
    weights = {tensor.name: tensor.data_type for tensor in graph.initializer}
    made = {node.output[0]: node for node in graph.node}
    for node in graph.node:
        if node.op_type == "Conv":
            assert weights[made[node.input[1]].input[0]] == onnx.TensorProto.INT8


def test_the_int8_model_has_another_space_id(resnet, faces, tmp_path):
    made = quantise(resnet, faces, tmp_path / "int8.onnx")
    assert made.card.name == "net-int8"
    assert made.card.space_id != resnet.card.space_id


def test_a_quantised_model_is_not_quantised_again(resnet, faces, tmp_path):
    made = quantise(resnet, faces, tmp_path / "int8.onnx")
    with pytest.raises(ModelError, match="quantised already; use the float32 model"):
        quantise(made, faces, tmp_path / "twice.onnx")


def test_three_faces_are_too_few(resnet, faces, tmp_path):
    with pytest.raises(ModelError, match="3 faces are too few"):
        quantise(resnet, faces[:3], tmp_path / "int8.onnx")


def test_a_network_without_convolutions_is_refused(resnet, faces, tmp_path):
    network = onnx.load_from_string(resnet.onnx)
    del network.graph.node[:]
    network.graph.node.extend(
        [
            onnx.helper.make_node("Slice", ["faces", "from", "to", "axes"], ["some"]),
            onnx.helper.make_node("Flatten", ["some"], ["flat"]),
            onnx.helper.make_node("Slice", ["flat", "from", "seven", "one"], ["embeddings"]),
        ]
    )
    del network.graph.initializer[:]
    for name, value in (("from", 0), ("to", 3), ("axes", 2), ("seven", 7), ("one", 1)):
        network.graph.initializer.append(onnx.numpy_helper.from_array(np.array([value], np.int64), name))
    made = network.SerializeToString()
    card = resnet.card.model_copy(update={"weights_sha256": weights_sha256(made)})
    write_model(tmp_path / "flat.onnx", made, card)
    with pytest.raises(ModelError, match="cannot quantise .*it has no convolutions"):
        quantise(read_model(tmp_path / "flat.onnx"), faces, tmp_path / "int8.onnx")


@pytest.mark.parametrize(("room", "kept"), [(1.0, True), (1e-9, False)])
def test_thresholds_are_kept_only_if_the_drift_is_within_their_uncertainty(model_path, faces, tmp_path, room, kept):
    model = read_model(model_path)
    decisions = model.card.decisions
    if decisions is None:
        pytest.skip("the tests' model has no thresholds")
    known = [
        ThresholdCard(far=t.far, threshold=t.threshold, low=t.threshold, high=min(4, t.threshold + room))
        for t in decisions.thresholds
    ]
    card = model.card.model_copy(update={"decisions": decisions.model_copy(update={"thresholds": known})})
    write_model(tmp_path / "model.onnx", model.onnx, card)
    size = card.input
    crops = faces[:, : size.height, : size.width]
    made = quantise(read_model(tmp_path / "model.onnx"), np.ascontiguousarray(crops), tmp_path / "int8.onnx")
    assert (made.card.decisions is not None) == kept
    if kept:
        assert made.card.decisions.data.endswith("(measured before quantisation)")


def test_calibration_faces_are_sampled_from_the_folder_and_bad_photos_are_reported(model_path, people, tmp_path):
    space = load(model_path)
    (tmp_path / "bad.jpg").write_bytes(b"not a photo")
    reasons = []
    with pytest.raises(DataError, match="no face found in the 1 photos"):
        calibration_faces(space, tmp_path, on_failure=reasons.append)
    assert len(reasons) == 1
    assert "bad.jpg" in reasons[0]
    crops = calibration_faces(space, people, count=10)
    assert crops.shape == (10, space.card.input.height, space.card.input.width, 3)
    np.testing.assert_array_equal(crops, calibration_faces(space, people, count=10))
