"""Muon: convolutions turned by the same small angle in every direction at once (Jordan et al., 2024)."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

# Iterations and coefficients by which a matrix's singular values come near 1 (Jordan et al., 2024).
_ITERATIONS = 5
_QUINTIC = (3.4445, -4.7750, 2.0315)
# The rate of scales and biases, as a share of the matrices'.
_VECTOR_RATE = 1 / 60
_VECTOR_BETAS = (0.9, 0.999)


class Muon(torch.optim.Optimizer):
    """Momentum whose singular values are all made 1, for matrices; Adam for everything else.

    A gradient of a convolution is nearly of low rank: a few directions that every face agrees on, and many faint ones
    that tell people apart. With all of them made equally long the faint ones are learnt from the first step.

    A convolution's weights (c, b, k, k) count as a matrix (c, b k k). Each matrix keeps the length (Frobenius norm)
    that it began with and only turns: meant for networks where normalisation follows, which undoes its length anyway.
    Depthwise convolutions, scales and biases are moved by Adam, at a sixtieth of the rate.

    Parameters
    ----------
    parameters : iterable of nn.Parameter
    lr : float
        How far a matrix moves in a step, as a share of its length; 0.1 is usual.
    momentum : float
        Of the matrices, in Nesterov's form.
    weight_decay : float
        Of what Adam moves; a matrix has none, as its length stays.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float, momentum: float = 0.6, weight_decay: float = 0.0):
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Move every weight that has a gradient; without a closure."""
        if closure is not None:
            raise ValueError("Muon takes no closure")
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if _is_matrix(weight):
                    _turn(weight, weight.grad, state, group["lr"], group["momentum"])
                else:
                    _adam(weight, weight.grad, state, group["lr"] * _VECTOR_RATE, group["weight_decay"])


def orthogonalised(matrix: Tensor) -> Tensor:
    """The nearest matrix whose singular values are 1, roughly (0.7 to 1.2): float (m, n) to (m, n).

    A few steps of Newton's and Schulz's iteration instead of a singular value decomposition.
    """
    a, b, c = _QUINTIC
    tall = matrix.shape[0] > matrix.shape[1]
    found = matrix.T if tall else matrix
    found = found / found.norm().clamp(min=1e-12)
    for _ in range(_ITERATIONS):
        squared = found @ found.T
        found = a * found + (b * squared + c * squared @ squared) @ found
    return found.T if tall else found


def _is_matrix(weight: Tensor) -> bool:
    # One input channel: depthwise, a bundle of small filters rather than a map from channels to channels.
    return weight.ndim >= 2 and weight.shape[1] > 1


def _turn(weight: Tensor, gradient: Tensor, state: dict[str, Tensor], rate: float, momentum: float) -> None:
    if not state:
        state["momentum"] = torch.zeros_like(weight)
        state["length"] = weight.norm()
    state["momentum"].mul_(momentum).add_(gradient)
    ahead = gradient + momentum * state["momentum"]
    turn = orthogonalised(ahead.reshape(len(ahead), -1)).reshape(weight.shape)
    length = state["length"]
    weight.sub_(turn * (rate * length / turn.norm().clamp(min=1e-12)))
    weight.mul_(length / weight.norm().clamp(min=1e-12))


def _adam(weight: Tensor, gradient: Tensor, state: dict[str, Tensor], rate: float, decay: float) -> None:
    first, second = _VECTOR_BETAS
    if not state:
        state["mean"], state["square"] = torch.zeros_like(weight), torch.zeros_like(weight)
        state["steps"] = torch.zeros(())
    adamw(
        [weight], [gradient], [state["mean"]], [state["square"]], [], [state["steps"]],
        amsgrad=False, beta1=first, beta2=second, lr=rate, weight_decay=decay, eps=1e-8, maximize=False,
    )  # fmt: skip
