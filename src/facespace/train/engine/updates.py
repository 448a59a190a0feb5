"""How far the steps of the optimiser move the weights of a network."""

import torch
from torch import Tensor, nn

# Output channels of each layer that are measured; a copy of all weights is not needed.
_MEASURED_ROWS = 8


class Updates:
    """Measures the update of each step as a share of the weights' length, over matrices and convolutions.

    Parameters
    ----------
    network : nn.Module
        Its weights must stay the same tensors.
    """

    def __init__(self, network: nn.Module):
        self._weights = [weight.detach()[:_MEASURED_ROWS] for weight in network.parameters() if weight.ndim > 1]
        self._before: list[Tensor] = []

    @torch.no_grad()
    def begin(self) -> None:
        """Call before a step of the optimiser."""
        self._before = [weight.clone() for weight in self._weights]

    @torch.no_grad()
    def size(self) -> float:
        """Return the norm of the change since `begin`, divided by the norm of the weights before it."""
        if not self._before:
            return 0.0
        pairs = zip(self._weights, self._before, strict=True)
        moved = torch.stack([(after - before).norm() for after, before in pairs]).norm()
        length = torch.stack([before.norm() for before in self._before]).norm()
        return float(moved / length.clamp(min=1e-12))
