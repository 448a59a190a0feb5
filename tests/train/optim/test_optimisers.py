"""Schedules of learning rate, margin and hardness; optimisers by name."""

import pytest
import torch

from facespace.train.optim.optimisers import build_optimiser, interpolate, rate_at
from facespace.train.recipe import OptimiserSection


def test_the_rate_falls_along_half_a_cosine():
    options = OptimiserSection(rate=0.4, final_share=0.5)
    assert rate_at(0, 101, options) == pytest.approx(0.4)
    assert rate_at(50, 101, options) == pytest.approx(0.3)
    assert rate_at(100, 101, options) == pytest.approx(0.2)
    assert rate_at(7, 101, OptimiserSection(rate=0.4)) == pytest.approx(0.4)


def test_the_rate_rises_during_warm_up_and_then_follows_the_schedule():
    options = OptimiserSection(rate=0.4, warmup=3, schedule="constant")
    assert [rate_at(step, 10, options) for step in range(5)] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.4])


def test_a_number_moves_evenly_over_the_run():
    assert [interpolate(0.0, 1.0, step, 5) for step in range(5)] == pytest.approx([0, 0.25, 0.5, 0.75, 1])
    assert interpolate(0.3, None, 4, 5) == 0.3


@pytest.mark.parametrize("name", ["adagrad", "sgd", "adamw", "muon"])
def test_every_optimiser_goes_downhill(name):
    weight = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    optimiser = build_optimiser(OptimiserSection(name=name, rate=6.0 if name == "muon" else 0.1), [weight])
    for _ in range(100):
        optimiser.zero_grad()
        weight.square().sum().backward()
        optimiser.step()
    assert weight.square().sum() < 1
