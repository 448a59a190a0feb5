"""Muon: momentum with orthogonalised updates for convolutions and linear layers (Jordan et al., 2024)."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

# Newton-Schulz iterations and coefficients that bring singular values near 1 (Jordan et al., 2024).
_ITERATIONS = 5
_QUINTIC = (3.4445, -4.7750, 2.0315)
# Learning rate of scales and biases, relative to that of the matrices.
_VECTOR_RATE = 1 / 60
_VECTOR_BETAS = (0.9, 0.999)


class Muon(torch.optim.Optimizer):
    """Muon for matrices, with all singular values of the update set to 1; Adam for all other weights.

    The gradient of a convolution has nearly low rank: a few directions common to all faces, and many weak ones that
    separate people. Updates with equal singular values learn the weak ones from the first step.

    The weights of a convolution (c, b, k, k) are treated as a matrix (c, b k k). Each matrix keeps its initial
    Frobenius norm; only its direction changes. This suits layers followed by normalisation, which removes the norm
    anyway. Depthwise convolutions, scales and biases are updated by Adam at a sixtieth of the rate.

    Parameters
    ----------
    parameters : iterable of nn.Parameter
    lr : float
        Length of a matrix's update relative to its norm; 0.1 is usual.
    momentum : float
        Nesterov momentum of the matrices.
    weight_decay : float
        For the weights that Adam updates. Matrices keep their norm, so they need none.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float, momentum: float = 0.6, weight_decay: float = 0.0):
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Update every weight that has a gradient. A closure is not supported."""
        if closure is not None:
            raise ValueError("Muon takes no closure")
        for group in self.param_groups:
            moved = [weight for weight in group["params"] if weight.grad is not None]
            # Update matrices of equal shape together: many small products would keep a GPU waiting.
            by_shape: dict[torch.Size, list[nn.Parameter]] = {}
            for weight in filter(_is_matrix, moved):
                by_shape.setdefault(weight.shape, []).append(weight)
            for weights in by_shape.values():
                self._turn(weights, group["lr"], group["momentum"])
            others = [weight for weight in moved if not _is_matrix(weight)]
            self._adam(others, group["lr"] * _VECTOR_RATE, group["weight_decay"])

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load a state; the numbers of steps stay on the processor, where `adamw` reads each of them."""
        super().load_state_dict(state_dict)
        for state in self.state.values():
            if "steps" in state:
                state["steps"] = state["steps"].cpu()

    def _turn(self, weights: list[nn.Parameter], rate: float, momentum: float) -> None:
        """Update matrices of equal shape."""
        lookahead = []
        for weight in weights:
            state = self.state[weight]
            if not state:
                state["momentum"] = torch.zeros_like(weight)
                state["length"] = weight.norm()
            gradient = weight.grad
            assert gradient is not None
            state["momentum"].mul_(momentum).add_(gradient)
            lookahead.append((gradient + momentum * state["momentum"]).flatten(1))
        turns = orthogonalised(torch.stack(lookahead))
        turns = turns / _lengths(turns).clamp(min=1e-12)
        before = torch.stack([weight.flatten(1) for weight in weights])
        lengths = torch.stack([self.state[weight]["length"] for weight in weights])[:, None, None]
        turned = before - turns * (rate * lengths)
        turned = turned * (lengths / _lengths(turned).clamp(min=1e-12))
        for weight, values in zip(weights, turned, strict=True):
            weight.copy_(values.reshape(weight.shape))

    def _adam(self, weights: list[nn.Parameter], rate: float, decay: float) -> None:
        """Update scales and biases."""
        states = [self.state[weight] for weight in weights]
        for weight, state in zip(weights, states, strict=True):
            if not state:
                state["mean"], state["square"] = torch.zeros_like(weight), torch.zeros_like(weight)
                state["steps"] = torch.zeros(())
        first, second = _VECTOR_BETAS
        adamw(
            [*weights], [weight.grad for weight in weights if weight.grad is not None],
            [state["mean"] for state in states], [state["square"] for state in states], [],
            [state["steps"] for state in states],
            amsgrad=False, beta1=first, beta2=second, lr=rate, weight_decay=decay, eps=1e-8, maximize=False,
        )  # fmt: skip


def orthogonalised(matrix: Tensor) -> Tensor:
    """Return the nearest matrix with all singular values near 1 (0.7 to 1.2): float (..., m, n) to (..., m, n).

    Uses a few Newton-Schulz iterations instead of a singular value decomposition.
    """
    a, b, c = _QUINTIC
    tall = matrix.shape[-2] > matrix.shape[-1]
    found = matrix.mT if tall else matrix
    found = found / _lengths(found).clamp(min=1e-12)
    for _ in range(_ITERATIONS):
        squared = found @ found.mT
        found = a * found + (b * squared + c * squared @ squared) @ found
    return found.mT if tall else found


def _lengths(matrices: Tensor) -> Tensor:
    return torch.linalg.matrix_norm(matrices, keepdim=True)


def _is_matrix(weight: Tensor) -> bool:
    # One input channel means a depthwise convolution: separate small filters, not a map between channels.
    return weight.ndim >= 2 and weight.shape[1] > 1
