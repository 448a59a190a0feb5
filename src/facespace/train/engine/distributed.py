"""Distributed training of one network on one global batch (the paper's CPU cluster, with torch.distributed).

Each process embeds its share of the batch. The embeddings are gathered, so triplets are mined in the whole batch and
every process computes the same loss and the same gradient with respect to all embeddings. It then propagates its own
share of that gradient through the network, and the gradients of the weights are summed. The result is the gradient of
the global loss: two processes with B/2 faces each equal one process with B.
"""

import os
from types import TracebackType

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch._C._distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from facespace.processors import available

# Processes that read the batches of a GPU, which augments the faces itself.
_LOADERS = 2


class Workers:
    """The processes of a run: a single one, or those started by torchrun. Use it in a `with` statement.

    Attributes
    ----------
    rank, size : int
        Index of this process, and number of processes.
    device : torch.device
    loaders : int
        Number of processes that prefetch batches for this one; 0 to use a thread.
    augments : bool
        Whether the device augments the faces itself, as a GPU does, instead of a processor with Pillow.
    restarted : bool
        Whether torchrun restarted the processes after one of them failed.

    Parameters
    ----------
    device : str
        See `choose_device`.
    loaders : int or None
        None: 2 for a GPU if there are so many spare processors, 0 for a CPU.
    """

    def __init__(self, device: str = "auto", loaders: int | None = None):
        self.rank, self.size = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
        self._restarts = int(os.environ.get("TORCHELASTIC_RESTART_COUNT", 0))
        self.restarted = self._restarts > 0
        self.device = choose_device(device, int(os.environ.get("LOCAL_RANK", 0)))
        spare = available() // int(os.environ.get("LOCAL_WORLD_SIZE", 1)) - 1
        on_gpu = self.device.type == "cuda"
        self.loaders = loaders if loaders is not None else min(max(spare, 0), _LOADERS) if on_gpu else 0
        self.augments = on_gpu

    def __enter__(self) -> "Workers":
        limit_threads()
        if self.size > 1:
            store, rank, size = next(rendezvous("env://"))
            # torchrun's store outlives its processes: with the same keys, restarted processes would read the
            # addresses of the failed ones.
            store = PrefixStore(f"start-{self._restarts}", store)
            backend = "nccl" if self.device.type == "cuda" else "gloo"
            dist.init_process_group(backend, store=store, rank=rank, world_size=size)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.size > 1 and dist.is_initialized():
            dist.destroy_process_group()

    @property
    def first(self) -> bool:
        """Whether this is the process that writes files and prints messages."""
        return self.rank == 0

    def share(self, count: int) -> slice:
        """Return this process's share of `count` faces; the first shares may be one face longer."""
        base, extra = divmod(count, self.size)
        start = self.rank * base + min(self.rank, extra)
        return slice(start, start + base + (self.rank < extra))

    def gather(self, own: Tensor, count: int) -> Tensor:
        """Gather the rows of all processes in order of rank, shape (count, d), without gradients."""
        if self.size == 1:
            return own
        # Shares differ by at most one face, and all_gather needs equal shapes.
        largest = -(-count // self.size)
        padded = torch.zeros((largest, *own.shape[1:]), dtype=own.dtype, device=own.device)
        padded[: len(own)] = own
        parts = [torch.empty_like(padded) for _ in range(self.size)]
        dist.all_gather(parts, padded)
        base, extra = divmod(count, self.size)
        return torch.cat([part[: base + (rank < extra)] for rank, part in enumerate(parts)])

    def add_gradients(self, network: nn.Module) -> None:
        """Replace the gradient of each weight with the sum over all processes."""
        if self.size == 1:
            return
        gradients = [weight.grad for weight in network.parameters() if weight.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        dist.all_reduce(flat)
        at = 0
        for gradient in gradients:
            gradient.copy_(flat[at : at + gradient.numel()].view_as(gradient))
            at += gradient.numel()

    def all_agree(self, here: bool) -> bool:
        """Return whether a condition is true in every process."""
        if self.size == 1:
            return here
        votes = torch.tensor([here], dtype=torch.int64, device=self.device)
        dist.all_reduce(votes, dist.ReduceOp.MIN)
        return bool(votes.item())

    def wait(self) -> None:
        """Wait until every process has reached this call."""
        if self.size > 1:
            dist.barrier()


def limit_threads() -> None:
    """Limit torch's threads to the processors this process may use, because torch ignores CPU quotas."""
    if torch.get_num_threads() > available():
        torch.set_num_threads(available())


def choose_device(wanted: str, local_rank: int = 0) -> torch.device:
    """Return the requested device; 'auto' selects the first available of CUDA, MPS and CPU."""
    if wanted != "auto":
        return torch.device(wanted)
    if torch.cuda.is_available():
        return torch.device("cuda", local_rank)
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
