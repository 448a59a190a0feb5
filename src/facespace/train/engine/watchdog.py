"""Convergence care: see that training fails, go back, and go on more gently.

Triplet training collapses when all points meet: every distance is near 0, every triplet breaks the margin by just
the margin, and the gradient no longer says where to go. It starves when no triplet is left that breaks the margin,
and it explodes like any other training. `Care` watches for these from step to step; the loop asks it what to do.
"""

import math
from collections import deque
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from facespace.train.recipe import CareSection

# Collapsed: the mean squared distance between people has fallen below this share of what it was at the start,
# or, whatever that was, below the floor where float32 can still tell points apart well.
COLLAPSED_SHARE, COLLAPSED = 0.1, 1e-3

# Pinned: all triplets active, and people hardly farther from each other than from themselves.
PINNED_ACTIVE, PINNED_GAP = 0.98, 0.02

# A run that begins pinned is not failing yet: it has this many windows to find a direction.
GRACE_WINDOWS = 5


@dataclass(frozen=True)
class Rollback:
    """What went wrong, and what was done about it.

    at, to : steps
    why : in words, with the numbers
    rate_scale, easing : factor on the learning rate, and on the hardness of the mining, from here on
    """

    at: int
    to: int
    why: str
    rate_scale: float
    easing: float


class Care:
    """Watches the records of steps; holds how far rate and mining have been eased.

    Parameters
    ----------
    section : CareSection
    margin : float or None
        Of the loss; None for one without, whose distances may shrink as they like.
    """

    def __init__(self, section: CareSection, margin: float | None):
        self._section = section
        self._margin = margin
        self._recent: deque[dict[str, float]] = deque(maxlen=section.window)
        self._first_spread: float | None = None
        self.rollbacks: list[Rollback] = []

    @property
    def rate_scale(self) -> float:
        """Factor on the recipe's learning rate."""
        return self.rollbacks[-1].rate_scale if self.rollbacks else 1.0

    @property
    def easing(self) -> float:
        """Factor on the hardness of the mining: 1 as the recipe says, 0 semi-hard at most."""
        return self.rollbacks[-1].easing if self.rollbacks else 1.0

    def failure(self, record: dict[str, float]) -> str | None:
        """What is wrong after this step, in words; None where nothing is.

        Parameters
        ----------
        record : dict
            The step's: step, loss, gradient_norm, negative_distance, and from a loss with triplets active and
            positive_distance.
        """
        if not all(math.isfinite(record[key]) for key in ("loss", "gradient_norm", "negative_distance")):
            return f"the network's output or gradient is no longer finite at step {record['step']:.0f}"
        if self._first_spread is None:
            self._first_spread = record["negative_distance"]
        self._recent.append(record)
        if len(self._recent) < self._section.window:
            return None
        spread = _median(self._recent, "negative_distance")
        small = COLLAPSED_SHARE * min(self._first_spread, self._margin or 0.0)
        least = max(COLLAPSED, small)
        if spread < least:
            return (
                f"the space has collapsed: people are {spread:.1e} apart on average (squared distance, "
                f"{self._first_spread:.2g} at the start)"
            )
        if self._margin is None or record["step"] < GRACE_WINDOWS * self._section.window:
            return None
        gap = spread - _median(self._recent, "positive_distance")
        active = _median(self._recent, "active")
        if active > PINNED_ACTIVE and gap < PINNED_GAP * self._margin:
            return (
                f"the loss is pinned to the margin: {active:.0%} of the triplets are active, and people are only "
                f"{gap:.1e} farther from others than from themselves"
            )
        return None

    def go_back(self, at: int, to: int, why: str) -> Rollback:
        """Note a rollback: a lower rate and milder mining from here on."""
        rollback = Rollback(at, to, why, self.rate_scale * self._section.ease, self.easing * self._section.ease)
        self.rollbacks.append(rollback)
        self._recent.clear()
        return rollback

    @property
    def may_go_on(self) -> bool:
        """Whether another rollback is allowed."""
        return len(self.rollbacks) < self._section.tries

    def diagnosis(self, why: str) -> str:
        """Why training was given up, and what to change."""
        told = "; ".join(f"step {r.at} to {r.to}, rate x {r.rate_scale:g}" for r in self.rollbacks) or "none"
        return (
            f"training fails again and again: {why}. Rollbacks so far: {told}. Lower optimiser.rate, add "
            "optimiser.warmup, start mining.hardness at 0, use larger batches, and look for wrong labels among "
            "the faces"
        )

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps, as plain data."""
        return {
            "recent": list(self._recent),
            "first_spread": self._first_spread,
            "rollbacks": [vars(rollback) for rollback in self.rollbacks],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a checkpoint's state."""
        self._recent = deque(state["recent"], maxlen=self._section.window)
        self._first_spread = state["first_spread"]
        self.rollbacks = [Rollback(**rollback) for rollback in state["rollbacks"]]


@torch.no_grad()
def spread_of(embeddings: Tensor, labels: Tensor) -> dict[str, float]:
    """How a batch fills the space.

    Parameters
    ----------
    embeddings : float tensor, shape (b, d), L2 norm 1
    labels : int tensor, shape (b,)

    Returns
    -------
    dict
        positive_distance, negative_distance: mean squared distance within and between people (NaN where there
        are none). rank: effective rank of the points about their mean, exp of the entropy of the shares of
        variance: 1 where all lie on a line, up to d (Roy and Vetterli 2007).
    """
    distances = (2 - 2 * embeddings @ embeddings.T).clamp(min=0)
    same = labels[:, None] == labels[None, :]
    pairs = same & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    rank = math.nan
    if embeddings.isfinite().all():
        centred = embeddings - embeddings.mean(dim=0)
        variances = torch.linalg.eigvalsh((centred.T @ centred).double().cpu()).clamp(min=0)
        shares = (variances / variances.sum().clamp(min=1e-30)).clamp(min=1e-12)
        rank = float(torch.exp(-(shares * shares.log()).sum()))
    return {
        "positive_distance": float(distances[pairs].mean()) if pairs.any() else math.nan,
        "negative_distance": float(distances[~same].mean()) if not same.all() else math.nan,
        "rank": rank,
    }


def _median(records: deque[dict[str, float]], key: str) -> float:
    values = sorted(record[key] for record in records)
    return values[len(values) // 2]
