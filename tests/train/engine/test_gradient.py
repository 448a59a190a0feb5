"""Gradient caching and several processes give the gradient of the whole batch."""

import os
import socket

import pytest
import torch
import torch.multiprocessing as mp
from torch import nn

from facespace.train.engine.distributed import Workers
from facespace.train.engine.gradient import batch_gradient, frozen_statistics
from facespace.train.losses import triplet_loss
from facespace.train.mining import semi_hard, squared_distance_matrix

LABELS = torch.arange(24) // 4


def network(dropout=0.0, batch_norm=False):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, stride=2),
        nn.BatchNorm2d(6) if batch_norm else nn.Identity(),
        nn.Tanh(),
        nn.Flatten(),
        nn.Dropout(dropout),
        nn.Linear(6 * 7 * 7, 16),
    )


def faces():
    return torch.randn(24, 3, 16, 16, generator=torch.Generator().manual_seed(1))


def backward(embeddings):
    points = nn.functional.normalize(embeddings)
    distances = squared_distance_matrix(points)
    triplet_loss(distances, semi_hard(distances, LABELS, 0.2), 0.2).backward()
    return embeddings.grad


def gradients(net):
    return [weight.grad.clone() for weight in net.parameters()]


def plain():
    net = network()
    points = nn.functional.normalize(net(faces()))
    distances = squared_distance_matrix(points)
    triplet_loss(distances, semi_hard(distances, LABELS, 0.2), 0.2).backward()
    return gradients(net)


@pytest.mark.parametrize("chunk", [0, 1, 5, 8, 24, 100])
def test_any_chunk_gives_the_gradient_of_the_plain_step(chunk):
    net = network()
    batch_gradient(net, faces(), 24, chunk, backward, Workers("cpu"), seed=3)
    for ours, expected in zip(gradients(net), plain(), strict=True):
        assert expected.abs().max() > 0
        assert torch.allclose(ours, expected, atol=1e-5)


def test_dropout_is_drawn_the_same_in_both_passes():
    # With chunks the network runs twice. If dropout drew other units the second time, the gradient would not be that
    # of the loss. A single chunk is the plain step.
    both = []
    for chunk in (8, 8):
        net = network(dropout=0.5)
        batch_gradient(net, faces(), 24, chunk, backward, Workers("cpu"), seed=3)
        both.append(gradients(net))
    assert all(torch.equal(a, b) for a, b in zip(*both, strict=True))
    # Direct computation: the loss of the three chunks, embedded with their seeds.
    net = network(dropout=0.5)
    parts = []
    for number in range(3):
        torch.manual_seed(3 + number)
        parts.append(net(faces()[8 * number : 8 * number + 8]))
    points = nn.functional.normalize(torch.cat(parts))
    distances = squared_distance_matrix(points)
    triplet_loss(distances, semi_hard(distances, LABELS, 0.2), 0.2).backward()
    for ours, expected in zip(both[0], gradients(net), strict=True):
        assert torch.allclose(ours, expected, atol=1e-5)


def test_batch_normalisation_learns_its_statistics_once():
    net, once = network(batch_norm=True), network(batch_norm=True)
    batch_gradient(net, faces(), 24, 12, backward, Workers("cpu"), seed=3)
    once.train()
    for rows in (slice(0, 12), slice(12, 24)):
        once(faces()[rows])
    assert torch.allclose(net[1].running_mean, once[1].running_mean)
    assert torch.allclose(net[1].running_var, once[1].running_var)
    assert net[1].num_batches_tracked == 2
    with frozen_statistics(net):
        net(faces())
    assert torch.allclose(net[1].running_mean, once[1].running_mean)
    assert net[1].momentum == 0.1


def _worker(rank, port, size, folder):
    os.environ |= {
        "RANK": str(rank), "WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
    }  # fmt: skip
    torch.set_num_threads(1)
    with Workers("cpu") as workers:
        net = network()
        own = faces()[workers.share(24)]
        batch_gradient(net, own, 24, 5, backward, workers, seed=3)
        torch.save(gradients(net), f"{folder}/{rank}.pt")


@pytest.mark.parametrize("size", [2, 3])
def test_several_processes_of_a_share_are_one_of_the_whole_batch(tmp_path, size):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    mp.spawn(_worker, args=(port, size, str(tmp_path)), nprocs=size)
    for rank in range(size):
        for ours, expected in zip(torch.load(tmp_path / f"{rank}.pt"), plain(), strict=True):
            assert torch.allclose(ours, expected, atol=1e-5)


def test_shares_cover_the_batch_evenly(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "3")
    found = []
    for rank in range(3):
        monkeypatch.setenv("RANK", str(rank))
        found += range(10)[Workers("cpu").share(10)]
    assert found == list(range(10))
