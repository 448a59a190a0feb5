"""Muon: orthogonalised updates, constant norms, and Adam for vectors."""

import copy

import pytest
import torch

from facespace.train.optim.muon import Muon, orthogonalised


@pytest.mark.parametrize("shape", [(8, 72), (72, 8), (16, 16)])
def test_singular_values_come_near_one_and_their_directions_stay(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    turned = left.T @ orthogonalised(matrix) @ right.T
    values = torch.diagonal(turned)
    assert values.min() > 0.5
    assert values.max() < 1.3
    assert (turned - torch.diag(values)).abs().max() < 1e-3


def test_no_gradient_moves_nothing():
    assert torch.equal(orthogonalised(torch.zeros(3, 5)), torch.zeros(3, 5))


def test_a_convolution_keeps_its_length_and_goes_downhill():
    generator = torch.Generator().manual_seed(2)
    weight = torch.nn.Parameter(torch.randn(6, 4, 3, 3, generator=generator))
    aim = torch.randn(6, 4, 3, 3, generator=generator)
    length = weight.norm().item()
    optimiser = Muon([weight], lr=0.1)

    def likeness() -> float:
        return torch.nn.functional.cosine_similarity(weight.detach().flatten(), aim.flatten(), dim=0).item()

    before = likeness()
    for step in range(60):
        for group in optimiser.param_groups:
            group["lr"] = 0.1 * (1 - step / 60)
        optimiser.zero_grad()
        (-(weight * aim).sum()).backward()
        optimiser.step()
        assert weight.norm().item() == pytest.approx(length, rel=1e-5)
    # All singular values get the same weight, so it converges to the orthogonal matrix nearest to the target.
    assert likeness() > max(before, 0.9)


def test_vectors_are_updated_like_adamw():
    ours, theirs = (torch.nn.Parameter(torch.tensor([1.0, -2.0, 3.0])) for _ in range(2))
    first = Muon([ours], lr=0.6, weight_decay=0.1)
    second = torch.optim.AdamW([theirs], lr=0.01, weight_decay=0.1)
    for _ in range(5):
        for weight, optimiser in ((ours, first), (theirs, second)):
            optimiser.zero_grad()
            weight.pow(4).sum().backward()
            optimiser.step()
    assert torch.allclose(ours, theirs)


def test_its_state_is_restored():
    def step(weight: torch.nn.Parameter, optimiser: Muon) -> None:
        optimiser.zero_grad()
        weight.pow(4).sum().backward()
        optimiser.step()

    weight = torch.nn.Parameter(torch.randn(4, 6, generator=torch.Generator().manual_seed(3)))
    optimiser = Muon([weight], lr=0.1)
    step(weight, optimiser)
    other = torch.nn.Parameter(weight.detach().clone())
    continued = Muon([other], lr=0.1)
    continued.load_state_dict(copy.deepcopy(optimiser.state_dict()))
    step(weight, optimiser)
    step(other, continued)
    assert torch.equal(weight, other)


def test_it_takes_no_closure():
    with pytest.raises(ValueError, match="closure"):
        Muon([torch.nn.Parameter(torch.zeros(2, 2))], lr=0.1).step(lambda: 0.0)
