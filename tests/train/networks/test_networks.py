"""Properties of all networks: shapes, unit norm, sizes, and registration."""

import re
import sys
import tomllib
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn
from torch.nn import functional

from facespace.errors import RecipeError
from facespace.train.export.model import to_onnx
from facespace.train.networks import NETWORKS, build_network, network_record, network_size, size_of
from facespace.train.networks.inception import Inception, L2Pool
from facespace.train.networks.residual import Residual
from facespace.train.networks.zeiler_fergus import Maxout
from facespace.train.recipe import parse_recipe

SMALL = (
    "small-cnn",
    "small-cnn-batch",
    "mobile-face",
    "small-resnet",
    "deeper-small-resnet",
    "resnet-18",
    "nn4",
    "nns2",
)

# Parameters and multiply-adds reported in the paper (tables 1 and 2, section 3.3).
STATED = {
    "nn1": (140e6, 1.6e9),
    "nn2": (7.5e6, 1.6e9),
    "nn4": (None, 285e6),
    "nns1": (26e6, 220e6),
    "nns2": (4.3e6, 20e6),
}


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("dimension", [16, 128])
def test_a_network_maps_faces_to_points_on_the_unit_sphere(name, dimension):
    network = build_network(name, 80, 96, dimension).eval()
    points = network(torch.randn(3, 3, 96, 80))
    assert points.shape == (3, dimension)
    assert torch.allclose(points.norm(dim=1), torch.ones(3), atol=1e-5)


@pytest.mark.parametrize("name", SMALL)
def test_a_seed_decides_the_weights(name):
    def weights(seed):
        torch.manual_seed(seed)
        return torch.cat([p.flatten() for p in build_network(name, 80, 96, 64).parameters()])

    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))


@pytest.mark.parametrize("name", SMALL)
def test_every_weight_is_trained(name):
    network = build_network(name, 48, 56, 32).train()
    weigh = torch.randn(4, 32, generator=torch.Generator().manual_seed(0))
    (network(torch.randn(4, 3, 56, 48)) * weigh).sum().backward()
    still = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
    assert still == []


def test_an_exported_network_gives_the_same_embeddings():
    # Only the network with the most kinds of layers, because an export takes seconds and checks itself in use.
    torch.manual_seed(3)
    network = build_network("nns2", 56, 56, 32).train()
    with torch.no_grad():
        network(torch.randn(16, 3, 56, 56))  # so that the running statistics are not 0 and 1
    network.eval()
    faces = torch.randn(5, 3, 56, 56, generator=torch.Generator().manual_seed(4))
    session = onnxruntime.InferenceSession(to_onnx(network, 56, 56), providers=["CPUExecutionProvider"])
    answers = session.run(None, {"faces": faces.numpy()})[0]
    with torch.inference_mode():
        assert np.abs(network(faces).numpy() - answers).max() < 1e-5


@pytest.mark.parametrize("name", STATED)
def test_the_papers_networks_have_the_size_the_paper_states(name):
    parameters, multiply_adds = STATED[name]
    size = network_size(name, NETWORKS[name].width, NETWORKS[name].height, 128)
    assert size.multiply_adds == pytest.approx(multiply_adds, rel=0.03)
    if parameters is not None:
        assert size.parameters == pytest.approx(parameters, rel=0.03)


def test_nn3_is_nn2_at_160_pixels():
    assert (NETWORKS["nn3"].width, NETWORKS["nn3"].height) == (160, 160)
    large, small = (network_size(name, NETWORKS[name].width, NETWORKS[name].height, 128) for name in ("nn2", "nn3"))
    assert small.parameters == large.parameters
    # Except for the last feature map and the linear layer, multiply-adds grow with the area.
    assert small.multiply_adds == pytest.approx(large.multiply_adds * (160 / 224) ** 2, rel=0.01)


# Rows of table 2: parameters in thousands, multiply-adds in millions, as printed there.
TABLE_2 = [(164, 128), (228, 179), (398, 108), (545, 107), (595, 117), (654, 128), (722, 142), (717, 56), (1600, 78)]


@pytest.mark.parametrize("row", range(9))
def test_each_inception_module_of_nn2_has_the_size_that_table_2_prints(row):
    with torch.device("meta"):
        network = build_network("nn2", 224, 224, 128)
    modules = [layer for layer in network if isinstance(layer, Inception)]
    convolutions = [layer for layer in modules[row].modules() if isinstance(layer, nn.Conv2d)]
    weights = sum(layer.weight.numel() for layer in convolutions)
    before = convolutions[0].in_channels
    side = 28 if row < 3 else 14 if row < 8 else 7
    work = size_of(modules[row], side, side, before).multiply_adds
    assert weights / 1e3 == pytest.approx(TABLE_2[row][0], rel=0.01)
    assert work / 1e6 == pytest.approx(TABLE_2[row][1], rel=0.01)


def test_l2_pooling_is_the_root_of_the_mean_square_of_each_neighbourhood():
    features = torch.randn(2, 3, 5, 4, generator=torch.Generator().manual_seed(0))
    pooled = L2Pool()(features)
    padded = functional.pad(features, (1, 1, 1, 1))
    for y in range(5):
        for x in range(4):
            expected = (padded[:, :, y : y + 3, x : x + 3] ** 2).sum((2, 3)).div(9).sqrt()
            assert torch.allclose(pooled[:, :, y, x], expected, atol=1e-3)


def test_l2_pooling_of_nothing_has_a_finite_slope():
    features = torch.zeros(1, 1, 4, 4, requires_grad=True)
    L2Pool()(features).sum().backward()
    assert torch.isfinite(features.grad).all()


def test_maxout_takes_the_larger_of_two_alternatives():
    layer = Maxout(6, 5)
    features = torch.randn(3, 6)
    both = features @ layer.linear.weight.T + layer.linear.bias
    assert torch.allclose(layer(features), both.reshape(3, 5, 2).max(dim=2).values, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "parameters", "multiply_adds"),
    [("mobile-face", 1.0e6, 0.22e9), ("small-resnet", 1.2e6, 0.11e9), ("resnet-18", 4.4e6, 0.66e9)],
)
def test_the_networks_for_a_cpu_are_as_small_as_they_say(name, parameters, multiply_adds):
    size = network_size(name, 112, 112, 128)
    assert size.parameters == pytest.approx(parameters, rel=0.05)
    assert size.multiply_adds == pytest.approx(multiply_adds, rel=0.05)


def test_counting_agrees_with_sums_by_hand_and_leaves_the_network_as_it_was():
    network = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, groups=1), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(160, 7))
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    size = size_of(network, 5, 4)
    assert size.parameters == (3 * 9 * 8 + 8) + 16 + (160 * 7 + 7)
    assert size.multiply_adds == 20 * 3 * 9 * 8 + 160 * 7
    assert network.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_a_record_says_what_input_a_network_is_meant_for():
    for name, record in NETWORKS.items():
        assert record.name == name
        assert network_record(name) is record
    assert (NETWORKS["mobile-face"].width, NETWORKS["mobile-face"].height) == (112, 112)


def test_an_unknown_name_gets_a_suggestion():
    with pytest.raises(RecipeError, match=r"no network 'mobile_face'; did you mean 'mobile-face'"):
        build_network("mobile_face", 112, 112, 128)


@pytest.fixture
def own_module(tmp_path, monkeypatch):
    (tmp_path / "own_networks.py").write_text(
        "from torch import nn\n"
        "def tiny(width, height, dimension):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(3 * width * height, dimension))\n"
        "def nothing(width, height, dimension):\n"
        "    return None\n"
        "def strict(width):\n"
        "    return None\n"
        "number = 3\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("own_networks", None)


def test_a_users_network_is_named_by_its_import_path(own_module):
    network = build_network("own_networks:tiny", 8, 6, 5)
    assert network(torch.zeros(2, 3, 6, 8)).shape == (2, 5)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no_such_module:f", "cannot import 'no_such_module'"),
        ("own_networks:absent", "own_networks has no 'absent'"),
        ("own_networks:number", "is not a function"),
        ("own_networks:nothing", "returned a NoneType, not a torch.nn.Module"),
        ("own_networks:strict", "cannot be built for 8x6 pixels"),
        (":tiny", "cannot import ''"),
    ],
)
def test_an_import_path_that_does_not_lead_to_a_network_is_a_clear_error(own_module, name, message):
    with pytest.raises(RecipeError, match=message):
        build_network(name, 8, 6, 5)


def test_the_documentation_lists_every_network_with_its_size():
    page = (Path(__file__).parents[3] / "docs" / "reference" / "networks.md").read_text("utf-8")
    rows = re.findall(r"^\| `([\w-]+)` \| (\d+)x(\d+) \| ([\d.]+) M \| ([\d,]+) M \|", page, flags=re.M)
    assert [row[0] for row in rows] == list(NETWORKS)
    for name, width, height, parameters, multiply_adds in rows:
        size = network_size(name, int(width), int(height), 128)
        assert (int(width), int(height)) == (NETWORKS[name].width, NETWORKS[name].height)
        assert f"{size.parameters / 1e6:.2f}" == parameters
        assert f"{size.multiply_adds / 1e6:,.0f}" == multiply_adds


def test_the_settings_in_the_documentation_are_settings():
    page = (Path(__file__).parents[3] / "docs" / "reference" / "networks.md").read_text("utf-8")
    blocks = re.findall(r"```toml\n(.*?)```", page, flags=re.S)
    assert len(blocks) == 3
    for block in blocks:
        values = {
            "name": "docs", "steps": 1, "batch": {"people": 2, "photos": 2},
            "network": {"name": "nn4", "width": 96, "height": 96}, **tomllib.loads(block),
        }  # fmt: skip
        parse_recipe({**values, "data": {"train": "people", **values.get("data", {})}}, "in the documentation")


def test_a_deeper_network_begins_as_the_shallower_one_and_can_leave_it():
    torch.manual_seed(1)
    shallow, deep = build_network("small-resnet", 48, 56, 16), build_network("deeper-small-resnet", 48, 56, 16)
    shallow(torch.randn(8, 3, 56, 48))  # statistics other than those of a new network
    faces = torch.randn(4, 3, 56, 48)
    network_record("deeper-small-resnet").begin_as["small-resnet"](deep, shallow.state_dict())
    torch.testing.assert_close(deep.eval()(faces), shallow.eval()(faces), rtol=0, atol=1e-5)
    deep.train()(faces).square().mul(torch.randn(4, 16)).sum().backward()
    added = [block for block in deep if isinstance(block, Residual) and not block.path[-1][1].weight.any()]
    assert len(added) == 3
    assert all(block.path[-1][1].weight.grad.abs().sum() > 0 for block in added)


def test_weights_of_another_size_do_not_become_a_deeper_network():
    other, deep = build_network("small-resnet", 48, 56, 8), build_network("deeper-small-resnet", 48, 56, 16)
    with pytest.raises(RuntimeError, match="size mismatch"):
        network_record("deeper-small-resnet").begin_as["small-resnet"](deep, other.state_dict())
