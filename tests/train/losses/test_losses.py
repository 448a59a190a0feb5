"""Losses against their formulas."""

import numpy as np
import pytest
import torch

from facespace.train.losses import triplet_loss
from facespace.train.mining import semi_hard, squared_distance_matrix


@pytest.fixture
def points():
    rng = np.random.default_rng(3)
    points = torch.from_numpy(rng.normal(size=(12, 6)).astype("f4"))
    return torch.nn.functional.normalize(points).requires_grad_()


LABELS = torch.arange(12) // 3


def test_it_is_the_mean_violation_over_all_pairs_of_a_person(points):
    distances = squared_distance_matrix(points)
    mined = semi_hard(distances, LABELS, 0.2)
    assert 0 < len(mined.anchor) < 24
    violations = [
        max(0, ((points[a] - points[p]) ** 2).sum() - ((points[a] - points[n]) ** 2).sum() + 0.2).item()
        for a, p, n in zip(mined.anchor, mined.positive, mined.negative, strict=True)
    ]
    assert triplet_loss(distances, mined, 0.2).item() == pytest.approx(np.sum(violations) / 24, abs=1e-5)


def test_a_step_down_its_gradient_lowers_it(points):
    mined = semi_hard(squared_distance_matrix(points), LABELS, 0.2)
    loss = triplet_loss(squared_distance_matrix(points), mined, 0.2)
    loss.backward()
    moved = torch.nn.functional.normalize((points - 0.01 * points.grad).detach())
    assert triplet_loss(squared_distance_matrix(moved), mined, 0.2) < loss


def test_without_triplets_it_is_zero_and_still_differentiable(points):
    distances = squared_distance_matrix(points)
    none = semi_hard(distances, torch.arange(12), 0.2)
    loss = triplet_loss(distances, none, 0.2)
    loss.backward()
    assert loss.item() == 0
    assert (points.grad == 0).all()
