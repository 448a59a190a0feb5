"""The int8 form of a detector: close to the float32 one, from the same bytes, refused if it is not possible."""

import json
import sys

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from facespace.errors import ModelError
from facespace.faces import OneShot
from facespace.faces.detector_file import DETECTOR_KEY, is_detector_file, read_detector, write_detector
from facespace.model.convert import quantise_detector
from facespace.model.convert.first_layer import work_on_blocks
from facespace.onnxfile import metadata, weights_sha256


@pytest.fixture(scope="module")
def pieces():
    """Smooth pictures of 96x96, as varied as possible."""
    rng = np.random.default_rng(0)
    return np.repeat(np.repeat(rng.integers(0, 256, (24, 12, 12, 3), np.uint8), 8, axis=1), 8, axis=2)


@pytest.fixture(scope="module")
def int8(float_detector, pieces, tmp_path_factory):
    path = tmp_path_factory.mktemp("int8") / "int8.onnx"
    quantise_detector(float_detector, pieces, path, "pictures")
    return path


@pytest.fixture(scope="module")
def plain(float_detector, pieces, tmp_path_factory):
    """The same with the first convolution as it was."""
    path = tmp_path_factory.mktemp("plain") / "plain.onnx"
    with pytest.MonkeyPatch.context() as patch:
        # The package has a function of the module's name.
        module = sys.modules[quantise_detector.__module__]
        patch.setattr(module, "work_on_blocks", lambda network: False)
        quantise_detector(float_detector, pieces, path, "pictures")
    return path


def maps(path, pixels):
    return ort.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"pixels": pixels})


def scores(path, pixels):
    return 1 / (1 + np.exp(-np.concatenate([level[:, 0].ravel() for level in maps(path, pixels)])))


def rewritten(path, change, target):
    """The detector in this file with a changed network, and a card for it."""
    card, content = read_detector(path)
    network = onnx.load_from_string(content)
    change(network.graph)
    del network.metadata_props[:]
    made = network.SerializeToString()
    write_detector(target, made, card.model_copy(update={"weights_sha256": weights_sha256(made)}))
    return target


def test_the_int8_maps_are_close_to_the_float_ones(float_detector, int8, pieces):
    for before, after in zip(maps(float_detector, pieces), maps(int8, pieces), strict=True):
        assert before.shape == after.shape
        spread = before.std(axis=(0, 2, 3), keepdims=True)
        assert (np.abs(after - before) / spread).mean() < 0.1


def test_the_card_says_how_far_scores_moved_and_what_was_measured_before(float_detector, int8, pieces):
    (old, _), (new, _) = read_detector(float_detector), read_detector(int8)
    first, second = (scores(path, pieces[3::4]) for path in (float_detector, int8))
    seen = np.maximum(first, second) > 0.1
    assert new.quantised.drift == pytest.approx(np.abs(first - second)[seen].mean(), rel=1e-4)
    assert 0 < new.quantised.drift < 0.05
    assert (new.quantised.weights_sha256, new.quantised.data) == (old.weights_sha256, "pictures")
    assert new.quantised.photos == 18
    assert (new.name, new.score, new.false_boxes) == (old.name, old.score, old.false_boxes)
    assert new.false_boxes_data == "nothing (measured before quantisation)"
    assert new.figures == {"precision (measured before quantisation)": 0.5, "steps": 3}
    # The card of a float32 detector is as it was before there were others.
    assert "quantised" not in json.loads(metadata(float_detector.read_bytes(), DETECTOR_KEY, "it"))


def test_an_int8_detector_is_used_like_another(int8):
    assert is_detector_file(int8)
    (found,) = OneShot(int8)([np.zeros((50, 70, 3), np.uint8)])
    assert len(found.boxes) == len(found.scores)


def test_all_but_the_outputs_is_int8_and_pixels_stay_bytes(int8):
    graph = onnx.load(int8).graph
    weights = {tensor.name: tensor.data_type for tensor in graph.initializer}
    made = {name: node for node in graph.node for name in node.output}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    floats = [node for node in convolutions if weights.get(node.input[1]) == onnx.TensorProto.FLOAT]
    assert {node.output[0] for node in floats} == {value.name for value in graph.output}
    for node in convolutions:
        if node not in floats:
            assert weights[made[node.input[1]].input[0]] == onnx.TensorProto.INT8
    assert "Cast" not in {node.op_type for node in graph.node}


@pytest.mark.parametrize("shape", [(1, 32, 32), (2, 32, 96), (1, 160, 64), (3, 96, 224)])
def test_the_first_convolution_on_blocks_gives_the_same_numbers(int8, plain, shape, rng):
    pixels = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    kernels = [next(node for node in onnx.load(path).graph.node if node.op_type == "Conv") for path in (plain, int8)]
    assert [onnx.helper.get_node_attr_value(node, "kernel_shape") for node in kernels] == [[3, 3], [3, 2]]
    for before, after in zip(maps(plain, pixels), maps(int8, pixels), strict=True):
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [("Conv", "strides", [1, 1]), ("Conv", "pads", [0] * 4), ("Transpose", "perm", [0, 3, 2, 1])],
)
def test_another_first_layer_stays_as_it_is(plain, kind, name, value):
    network = onnx.load(plain)
    node = next(node for node in network.graph.node if node.op_type == kind)
    next(attribute for attribute in node.attribute if attribute.name == name).ints[:] = value
    before = network.SerializeToString(deterministic=True)
    assert not work_on_blocks(network)
    assert network.SerializeToString(deterministic=True) == before


def test_a_first_layer_with_two_users_stays_as_it_is(plain):
    network = onnx.load(plain)
    network.graph.node.append(onnx.helper.make_node("Identity", ["pixels"], ["copy"]))
    assert not work_on_blocks(network)


def test_a_detector_is_not_quantised_again(int8, pieces, tmp_path):
    with pytest.raises(ModelError, match="quantised already; use the float32 detector"):
        quantise_detector(int8, pieces, tmp_path / "twice.onnx")


def test_three_photos_are_too_few(float_detector, pieces, tmp_path):
    with pytest.raises(ModelError, match="3 photos are too few"):
        quantise_detector(float_detector, pieces[:3], tmp_path / "int8.onnx")
    assert not (tmp_path / "int8.onnx").exists()


def test_other_networks_are_refused(float_detector, model_path, pieces, tmp_path):
    def unknown_output(graph):
        graph.node.append(onnx.helper.make_node("Shape", ["pixels"], ["shape"]))
        graph.output.append(onnx.helper.make_tensor_value_info("shape", onnx.TensorProto.INT64, [4]))

    def embedding(graph):
        graph.CopyFrom(onnx.load(model_path).graph)

    with pytest.raises(ModelError, match="no card of a detector"):
        quantise_detector(model_path, pieces, tmp_path / "int8.onnx")
    for change, words in (
        (embedding, "cannot quantise .*not a convolution of bytes"),
        (unknown_output, "cannot quantise .*output shape is not made by a convolution"),
    ):
        other = rewritten(float_detector, change, tmp_path / "other.onnx")
        with pytest.raises(ModelError, match=words):
            quantise_detector(other, pieces, tmp_path / "int8.onnx")
