"""What every network must be: faces in, points on the unit sphere out, and nothing else."""

import sys

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from facespace.errors import RecipeError
from facespace.train.export import to_onnx
from facespace.train.networks import NETWORKS, build_network, network_record, size_of

SMALL = ("small-cnn", "mobile-face", "resnet-18")


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


@pytest.mark.parametrize("name", ["mobile-face", "resnet-18"])
def test_a_network_leaves_for_onnx_with_the_same_answers(name):
    torch.manual_seed(3)
    network = build_network(name, 56, 56, 32).train()
    with torch.no_grad():
        network(torch.randn(16, 3, 56, 56))  # running statistics that are not the untouched 0 and 1
    network.eval()
    faces = torch.randn(5, 3, 56, 56, generator=torch.Generator().manual_seed(4))
    session = onnxruntime.InferenceSession(to_onnx(network, 56, 56), providers=["CPUExecutionProvider"])
    answers = session.run(None, {"faces": faces.numpy()})[0]
    with torch.inference_mode():
        assert np.abs(network(faces).numpy() - answers).max() < 1e-5


@pytest.mark.parametrize(
    ("name", "parameters", "multiply_adds"), [("mobile-face", 1.0e6, 0.22e9), ("resnet-18", 4.4e6, 0.66e9)]
)
def test_the_networks_for_a_cpu_are_as_small_as_they_say(name, parameters, multiply_adds):
    size = size_of(build_network(name, 112, 112, 128), 112, 112)
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


def test_a_name_that_is_not_registered_is_told_the_nearest():
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


def test_a_network_of_ones_own_is_named_by_its_import_path(own_module):
    network = build_network("own_networks:tiny", 8, 6, 5)
    assert network(torch.zeros(2, 3, 6, 8)).shape == (2, 5)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("no_such_module:f", "cannot import 'no_such_module'"),
        ("own_networks:absent", "own_networks has no 'absent'"),
        ("own_networks:number", "is not a function"),
        ("own_networks:nothing", "gave a NoneType, not a torch.nn.Module"),
        ("own_networks:strict", "cannot be built for 8x6 pixels"),
        (":tiny", "cannot import ''"),
    ],
)
def test_an_import_path_that_does_not_lead_to_a_network_is_a_clear_error(own_module, name, said):
    with pytest.raises(RecipeError, match=said):
        build_network(name, 8, 6, 5)
