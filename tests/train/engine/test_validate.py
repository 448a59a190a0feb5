"""Validation during training against the exact metrics."""

import numpy as np
import pytest
import torch

from facespace.metric import normalise, squared_distances, threshold_at, val_far
from facespace.train.data.dataset import read_faces
from facespace.train.engine.validate import embed_all, one_point, validation_rates
from facespace.train.networks import build_network


def points(people=40, photos=4, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(people), photos)
    centres = rng.normal(size=(people, 32))
    return normalise(centres[labels] + 0.9 * rng.normal(size=(len(labels), 32))), labels


def test_rates_are_those_of_the_sorted_distances():
    embeddings, labels = points()
    first, second = np.triu_indices(len(labels), 1)
    distances = squared_distances(embeddings, embeddings)[first, second]
    same = labels[first] == labels[second]
    rates = validation_rates(embeddings, labels)
    assert set(rates) == {"val_at_1e-01", "val_at_1e-02", "val_at_1e-03"}
    for name, rate in rates.items():
        far = float(name.removeprefix("val_at_"))
        exact = val_far(distances[same], distances[~same], threshold_at(far, distances[~same])).val
        assert rate == pytest.approx(exact, abs=0.01)
        assert 0 < rate < 1


def test_a_rate_with_too_few_pairs_is_left_out():
    embeddings, labels = points(people=4, photos=3)
    assert "val_at_1e-03" not in validation_rates(embeddings, labels)


def test_embedding_leaves_the_network_as_it_was(people):
    faces = read_faces(people, 32, 40)
    torch.manual_seed(0)
    network = build_network("small-cnn", 32, 40, 16).train()
    rows = np.array([3, 50, 7])
    found = embed_all(network, faces, rows, torch.device("cpu"))
    assert network.training
    assert found.shape == (3, 16)
    assert torch.allclose(found.norm(dim=1), torch.ones(3), atol=1e-5)
    assert torch.allclose(found[1], embed_all(network, faces, np.array([50]), torch.device("cpu"))[0], atol=1e-6)


def test_a_network_that_maps_all_faces_to_one_point_or_to_no_number_is_named(people):
    faces, device = read_faces(people, 32, 40), torch.device("cpu")
    torch.manual_seed(0)
    network = build_network("small-cnn", 32, 40, 16)
    assert one_point(network, faces, device) is None
    with torch.no_grad():
        network.embedding.weight.zero_()
    assert "all faces to one point" in one_point(network, faces, device)
    with torch.no_grad():
        network.embedding.bias.fill_(np.inf)
    assert one_point(network, faces, device) == "its output is not finite"
