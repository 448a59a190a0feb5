"""A network stored by MXNet gives what the same layers give in torch."""

import json
import struct

import numpy as np
import pytest
import torch
from torch import nn

from mxnet_network import MxnetNetwork, read_params


def write_params(path, arrays):
    content = struct.pack("<QQQ", 0x112, 0, len(arrays))
    for array in arrays.values():
        content += struct.pack("<IiI", 0xF993FAC9, 0, array.ndim) + struct.pack(f"<{array.ndim}q", *array.shape)
        content += struct.pack("<iii", 1, 0, 0) + array.astype("<f4").tobytes()
    content += struct.pack("<Q", len(arrays))
    for name in arrays:
        content += struct.pack("<Q", len(name)) + name.encode()
    path.write_bytes(content)


class Reference(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, stride=2, padding=1, bias=False)
        self.norm, self.curve = nn.BatchNorm2d(4, eps=1e-3), nn.PReLU(4)
        self.depth = nn.Conv2d(4, 4, 3, padding=1, groups=4, bias=False)
        self.linear = nn.Linear(4 * 8 * 8, 5)

    def forward(self, pixels):
        images = (pixels.permute(0, 3, 1, 2).float() - 127.5) * 0.0078125
        first = self.curve(self.norm(self.conv(images)))
        return self.linear((first + self.depth(first)).flatten(1))


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mxnet")
    torch.manual_seed(0)
    network = Reference().eval()
    with torch.no_grad():
        network.norm.running_mean.uniform_(-1, 1)
        network.norm.running_var.uniform_(0.5, 2)
        network.norm.bias.uniform_(-1, 1)
        # Stored, but ignored by default, as in MXNet.
    gamma = np.full(4, 7, "f4")
    weights = {
        "arg:conv_weight": network.conv.weight, "arg:norm_gamma": gamma, "arg:norm_beta": network.norm.bias,
        "aux:norm_mean": network.norm.running_mean, "aux:norm_var": network.norm.running_var,
        "arg:curve_gamma": network.curve.weight, "arg:depth_weight": network.depth.weight,
        "arg:linear_weight": network.linear.weight, "arg:linear_bias": network.linear.bias,
    }  # fmt: skip
    write_params(folder / "net.params", {n: np.asarray(torch.as_tensor(w).detach()) for n, w in weights.items()})
    nodes, places = [], {}

    def add(name, op="null", inputs=(), **attrs):
        places[name] = len(nodes)
        nodes.append({"op": op, "name": name, "attrs": attrs, "inputs": [[places[key], 0, 0] for key in inputs]})

    for name in ("data", *(name.partition(":")[2] for name in weights)):
        add(name)
    add("minus", "_minus_scalar", ["data"], scalar="127.5")
    add("scaled", "_mul_scalar", ["minus"], scalar="0.0078125")
    add("conv", "Convolution", ["scaled", "conv_weight"], stride="(2, 2)", pad="(1, 1)", no_bias="True")
    add("norm", "BatchNorm", ["conv", "norm_gamma", "norm_beta", "norm_mean", "norm_var"])
    add("curve", "LeakyReLU", ["norm", "curve_gamma"], act_type="prelu")
    add("depth", "Convolution", ["curve", "depth_weight"], pad="(1, 1)", num_group="4", no_bias="True")
    add("sum", "elemwise_add", ["curve", "depth"])
    add("linear", "FullyConnected", ["sum", "linear_weight", "linear_bias"], num_hidden="5")
    (folder / "net.json").write_text(json.dumps({"nodes": nodes}))
    return folder, network


def test_it_gives_what_torch_gives(stored):
    folder, network = stored
    pixels = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), np.uint8)
    found = MxnetNetwork(folder / "net.json", folder / "net.params")(pixels)
    expected = network(torch.from_numpy(pixels)).detach().numpy()
    assert found.shape == (3, 5)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kept", [0, 7, 30, 200])
def test_a_file_that_is_cut_off_is_an_error(stored, tmp_path, kept):
    folder, _ = stored
    (tmp_path / "cut.params").write_bytes((folder / "net.params").read_bytes()[:kept])
    with pytest.raises(ValueError, match="cut"):
        list(read_params(tmp_path / "cut.params"))


def test_an_unknown_layer_is_an_error(stored, tmp_path):
    folder, _ = stored
    graph = json.loads((folder / "net.json").read_text())
    graph["nodes"][-1]["op"] = "Softmax"
    (tmp_path / "net.json").write_text(json.dumps(graph))
    network = MxnetNetwork(tmp_path / "net.json", folder / "net.params")
    with pytest.raises(ValueError, match="Softmax"):
        network(np.zeros((1, 16, 16, 3), np.uint8))
