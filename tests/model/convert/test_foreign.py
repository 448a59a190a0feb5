"""Networks made elsewhere: one with ArcFace's signature is imported, incompatible ones are refused."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from facespace.errors import ModelError
from facespace.model import Engine, read_model
from facespace.model.convert import import_model
from facespace.space import load

CARD = """
name = "arc"
version = "1"
dimension = 512
normalised = false
detector = "mtcnn"
crop = "arcface-112"
licence = "unknown"
data_terms = "unknown"

[input]
width = 112
height = 112
colour = "RGB"
mean = [127.5, 127.5, 127.5]
std = [127.5, 127.5, 127.5]
"""


def arcface_network(batch=1, dimension=512, reshape=None, outputs=1, unit=False):
    """A network with the signature of published ArcFace networks: data (1, 3, 112, 112), fc1 (1, 512)."""
    rng = np.random.default_rng(3)
    constants = {
        "w": rng.normal(0, 0.2, (8, 3, 3, 3)),
        "slope": np.full((8, 1, 1), 0.25),
        "fc": rng.normal(0, 0.3, (8, dimension)),
        "gamma": np.ones(dimension),
        "beta": np.zeros(dimension),
        "mean": np.zeros(dimension),
        "var": np.ones(dimension),
    }
    nodes = [
        helper.make_node("Conv", ["data", "w"], ["c"], strides=[4, 4], pads=[1, 1, 1, 1]),
        helper.make_node("PRelu", ["c", "slope"], ["p"]),
        helper.make_node("GlobalAveragePool", ["p"], ["g"]),
        helper.make_node("Reshape", ["g", "shape"], ["f"]) if reshape else helper.make_node("Flatten", ["g"], ["f"]),
        helper.make_node("MatMul", ["f", "fc"], ["m"]),
        helper.make_node("BatchNormalization", ["m", "gamma", "beta", "mean", "var"], ["b" if unit else "fc1"]),
    ]
    if unit:
        nodes.append(helper.make_node("LpNormalization", ["b"], ["fc1"], axis=1, p=2))
    tensors = [numpy_helper.from_array(values.astype(np.float32), name) for name, values in constants.items()]
    if reshape:
        tensors.append(numpy_helper.from_array(np.array(reshape, np.int64), "shape"))
    found = [helper.make_tensor_value_info("fc1", TensorProto.FLOAT, [batch, dimension])]
    if outputs == 2:
        found.append(helper.make_tensor_value_info("m", TensorProto.FLOAT, [batch, dimension]))
    graph = helper.make_graph(
        nodes,
        "arc",
        [helper.make_tensor_value_info("data", TensorProto.FLOAT, [batch, 3, 112, 112])],
        found,
        tensors,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.fixture
def source(tmp_path):
    """Write a network and its card, and return the network's path."""

    def write(model, card=CARD):
        path = tmp_path / "arc.onnx"
        onnx.save(model, path)
        if card is not None:
            path.with_suffix(".toml").write_text(card)
        return path

    return write


@pytest.mark.parametrize("batch", [1, "None", 7])
def test_an_arcface_network_is_imported_whatever_its_batch_axis(source, tmp_path, batch):
    path = source(arcface_network(batch))
    model = import_model(path, tmp_path / "made.onnx")
    assert model.card.name == "arc"
    space = load(tmp_path / "made.onnx", detector="aligned-128")
    faces = np.random.default_rng(0).integers(0, 256, (40, 128, 128, 3), np.uint8)
    points = space.embed(list(faces))
    assert points.shape == (40, 512)
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1, atol=1e-5)


def test_the_input_is_prepared_as_the_card_says(source, tmp_path):
    path = source(arcface_network())
    engine = Engine(import_model(path, tmp_path / "made.onnx"), "cpu")
    faces = np.random.default_rng(0).integers(0, 256, (1, 112, 112, 3), np.uint8)
    given = ((faces.astype(np.float32) - 127.5) / 127.5).transpose(0, 3, 1, 2)
    expected = ReferenceEvaluator(onnx.load(path)).run(None, {"data": given})[0]
    np.testing.assert_allclose(engine.run(faces), expected, rtol=1e-3, atol=1e-4)


def test_the_written_file_needs_no_separate_card(source, tmp_path):
    path = source(arcface_network("n"))
    import_model(path, tmp_path / "made.onnx")
    assert read_model(tmp_path / "made.onnx").card.dimension == 512
    # If nothing had to change, the network is the original, byte for byte.
    assert onnx.load(tmp_path / "made.onnx").graph == onnx.load(path).graph


def test_a_network_limited_to_one_face_is_refused(source, tmp_path):
    path = source(arcface_network(1, reshape=(1, 8)))
    with pytest.raises(ModelError, match="does not run on a batch of 3 faces"):
        import_model(path, tmp_path / "made.onnx")
    assert not (tmp_path / "made.onnx").exists()


def test_a_card_that_wrongly_claims_normalised_output_is_refused(source, tmp_path):
    path = source(arcface_network(), CARD.replace("normalised = false", "normalised = true"))
    with pytest.raises(ModelError, match="set normalised = false"):
        import_model(path, tmp_path / "made.onnx")
    path = source(arcface_network(unit=True), CARD.replace("normalised = false", "normalised = true"))
    assert import_model(path, tmp_path / "made.onnx").card.normalised


def test_a_card_of_another_dimension_is_refused(source, tmp_path):
    path = source(arcface_network(dimension=256))
    with pytest.raises(ModelError, match="dimension is 256 in the network, 512 in the card"):
        import_model(path, tmp_path / "made.onnx")


def test_a_network_with_two_outputs_is_refused_with_its_shapes(source, tmp_path):
    path = source(arcface_network(outputs=2))
    with pytest.raises(ModelError, match=r"not an embedding network: it maps .*but one input"):
        import_model(path, tmp_path / "made.onnx")


def test_a_network_without_a_card_says_where_to_write_one(source, tmp_path):
    path = source(arcface_network(), card=None)
    with pytest.raises(ModelError, match=r"there is no card .*arc\.toml"):
        import_model(path, tmp_path / "made.onnx")


def test_a_card_for_other_weights_is_refused(source, tmp_path):
    path = source(arcface_network(), f'weights_sha256 = "{"0" * 64}"\n' + CARD)
    with pytest.raises(ModelError, match="for other weights"):
        import_model(path, tmp_path / "made.onnx")


@pytest.mark.parametrize("content", [b"", b"not onnx", b"\xff" * 40])
def test_a_file_that_is_not_onnx_is_refused(tmp_path, content):
    (tmp_path / "arc.onnx").write_bytes(content)
    (tmp_path / "arc.toml").write_text(CARD)
    with pytest.raises(ModelError, match=r"arc\.onnx"):
        import_model(tmp_path / "arc.onnx", tmp_path / "made.onnx")


def test_a_card_for_a_dlib_network_is_refused_and_a_missing_file_is_named(source, dlib_resnet, tmp_path):
    (tmp_path / "net.dat").write_bytes(dlib_resnet[0])
    with pytest.raises(ModelError, match="leave out the card"):
        import_model(tmp_path / "net.dat", tmp_path / "made.onnx", tmp_path / "arc.toml")
    with pytest.raises(ModelError, match=r"nowhere\.onnx: No such file"):
        import_model(tmp_path / "nowhere.onnx", tmp_path / "made.onnx")
