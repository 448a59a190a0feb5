"""What every network must be: faces in, points on the unit sphere out, and nothing else."""

import pytest
import torch

from facespace.train.networks import NETWORKS, build_network


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("dimension", [16, 128])
def test_a_network_maps_faces_to_points_on_the_unit_sphere(name, dimension):
    network = build_network(name, 80, 96, dimension).eval()
    points = network(torch.randn(3, 3, 96, 80))
    assert points.shape == (3, dimension)
    assert torch.allclose(points.norm(dim=1), torch.ones(3), atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_seed_decides_the_weights(name):
    def weights(seed):
        torch.manual_seed(seed)
        return torch.cat([p.flatten() for p in build_network(name, 80, 96, 64).parameters()])

    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))
