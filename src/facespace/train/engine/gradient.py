"""Gradient caching: the gradient of a whole batch, with the memory of a chunk.

The loss depends only on the embeddings. So the batch is first embedded without a graph, chunk by chunk; the loss and
its gradient with respect to the embeddings are computed; then each chunk is embedded again with a graph, and its part
of that gradient is propagated. The sum is the gradient of the whole batch (Gao, Zhang, Han and Callan 2021, section
3.2), at the cost of a second forward pass.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from facespace.train.engine.distributed import Workers

# Maps the embeddings of the whole batch (count, d) to the gradient of the loss with respect to them (count, d).
Backward = Callable[[Tensor], Tensor]


def batch_gradient(
    network: nn.Module,
    faces: Tensor,
    count: int,
    chunk: int,
    backward: Backward,
    workers: Workers,
    seed: int,
    bf16: bool = False,
    forward: Callable[[Tensor], Tensor] | None = None,
) -> None:
    """Compute the gradient of one batch and store it in the network's weights.

    Parameters
    ----------
    network : nn.Module
        In training mode.
    faces : float tensor, shape (b, 3, h, w)
        This process's share of the batch.
    count : int
        Number of faces in the whole batch, over all processes.
    chunk : int
        Faces to embed at a time; 0 for all at once.
    backward : callable
        Takes the embeddings of the whole batch (a leaf that requires gradients), computes the loss, calls its
        `backward`, and returns the gradient.
    workers : Workers
    seed : int
        Seed of the random layers (dropout), which must draw the same numbers in both passes.
    bf16 : bool
        Run the network in bfloat16 (torch.autocast); the loss is always computed in float32.
    forward : callable or None
        Another form of the network with the same weights, for example compiled.
    """
    size = chunk or max(len(faces), 1)
    chunks = [slice(start, start + size) for start in range(0, len(faces), size)]

    def embed(number: int) -> Tensor:
        torch.manual_seed(seed + number * workers.size + workers.rank)
        with torch.autocast(faces.device.type, torch.bfloat16, enabled=bf16):
            found: Tensor = (forward or network)(faces[chunks[number]])
        return found.float()

    if len(chunks) == 1 and workers.size == 1:
        embeddings = embed(0)
        leaf = embeddings.detach().requires_grad_()
        embeddings.backward(backward(leaf))  # type: ignore[no-untyped-call]
        return
    with torch.no_grad(), frozen_statistics(network):
        own = torch.cat([embed(number) for number in range(len(chunks))])
    gradient = backward(workers.gather(own, count).requires_grad_())[workers.share(count)]
    for number, rows in enumerate(chunks):
        embed(number).backward(gradient[rows])  # type: ignore[no-untyped-call]
    workers.add_gradients(network)


@contextmanager
def frozen_statistics(network: nn.Module) -> Iterator[None]:
    """Use batch statistics in batch normalisation without updating its running statistics.

    The second pass updates them; without this they would be updated twice.
    """
    layers = [layer for layer in network.modules() if isinstance(layer, _BatchNorm)]
    momenta = [layer.momentum for layer in layers]
    counts = [None if layer.num_batches_tracked is None else layer.num_batches_tracked.clone() for layer in layers]
    for layer in layers:
        layer.momentum = 0.0
    try:
        yield
    finally:
        for layer, momentum, seen in zip(layers, momenta, counts, strict=True):
            layer.momentum = momentum
            if seen is not None and layer.num_batches_tracked is not None:
                layer.num_batches_tracked.copy_(seen)
