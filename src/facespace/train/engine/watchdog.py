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
from torch import Tensor, nn

from facespace.train.recipe import CareSection

# Collapsed: the mean squared distance between people has fallen below this share of what it was at the start,
# or, whatever that was, below the floor where float32 can still tell points apart well.
COLLAPSED_SHARE, COLLAPSED = 0.1, 1e-3

# Pinned: all triplets active, and people hardly farther from each other than from themselves.
PINNED_ACTIVE, PINNED_GAP = 0.98, 0.02

# A run that begins pinned is not failing yet: it has this many windows to find a direction.
GRACE_WINDOWS = 5

# A window is at most one part in so many of the run, and never fewer steps: a short run must be seen to fail too.
WINDOWS_OF_A_RUN, SHORTEST_WINDOW = 20, 5

# Overshooting: a step changes the weights by more than this share of their length, so none finds where it was heading.
# Healthy steps change a hundredth to a tenth.
LARGEST_UPDATE = 0.5

# Untaught: the mean distance within people is nearly that between them.
LEAST_SEPARATION = 0.05

# Output channels of each layer that updates are measured on.
_MEASURED_ROWS = 8


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
    steps : int or None
        Of the run; a short one has shorter windows.
    """

    def __init__(self, section: CareSection, margin: float | None, steps: int | None = None):
        self._section = section
        self._margin = margin
        most = section.window if steps is None else max(steps // WINDOWS_OF_A_RUN, SHORTEST_WINDOW)
        self.window = min(section.window, most)
        self._recent: deque[dict[str, float]] = deque(maxlen=self.window)
        self._first_spread: float | None = None
        self._update = 0.0
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
            The step's: step, loss, gradient_norm, positive_distance, negative_distance, update (`Updates.size`), and
            from a loss with triplets active and mined, the hard triplets from a pool.
        """
        watched = [record["loss"], record["gradient_norm"], record["negative_distance"], record.get("update", 0.0)]
        if not all(map(math.isfinite, watched)):
            return f"the network's output, gradient or weights are no longer finite at step {record['step']:.0f}"
        if self._first_spread is None:
            self._first_spread = record["negative_distance"]
        self._recent.append(record)
        if len(self._recent) < self.window:
            return None
        self._update = _median(self._recent, "update")
        if self._update > LARGEST_UPDATE:
            return (
                f"the steps are too long: each changes the weights by {self._update:.0%} of their length (a healthy "
                "one by some percent)"
            )
        collapsed = self._collapse()
        if collapsed is not None:
            return collapsed
        if self._margin is None or record["step"] < GRACE_WINDOWS * self.window:
            return None
        return self._pinned(self._margin)

    def verdict(self) -> str | None:
        """What is wrong with the space that a run ends with, in words; None where nothing is.

        Unlike `failure`, this needs no full window and gives no grace.
        """
        if not self._recent:
            return None
        separation = self._separation()
        untaught = (
            f"people are hardly farther from others than from themselves ({separation:.1%} farther): it has learnt "
            "next to nothing"
        )
        pinned = None if self._margin is None else self._pinned(self._margin)
        return self._collapse() or pinned or (untaught if separation < LEAST_SEPARATION else None)

    def _collapse(self) -> str | None:
        spread, first = _median(self._recent, "negative_distance"), self._first_spread or 0.0
        if spread >= max(COLLAPSED, COLLAPSED_SHARE * min(first, self._margin or 0.0)):
            return None
        return (
            f"the space has collapsed: people are {spread:.1e} apart on average (squared distance, {first:.2g} at the "
            "start)"
        )

    def _pinned(self, margin: float) -> str | None:
        gap = _median(self._recent, "negative_distance") - _median(self._recent, "positive_distance")
        active = _median(self._recent, "active")
        if active <= PINNED_ACTIVE or gap >= PINNED_GAP * margin:
            return None
        return (
            f"the loss is pinned to the margin: {active:.0%} of the triplets are active, and people are only "
            f"{gap:.1e} farther from others than from themselves"
        )

    def _separation(self) -> float:
        """By which share others are farther; infinite for batches that hold hard triplets of a pool."""
        if any(record.get("mined", 0) for record in self._recent):
            return math.inf
        between = _median(self._recent, "negative_distance")
        return 1 - _median(self._recent, "positive_distance") / max(between, 1e-12)

    def go_back(self, at: int, to: int, why: str) -> Rollback:
        """Note a rollback: a lower rate and milder mining from here on.

        The rate falls by `ease`, by more where the last rollback was for nothing or steps are far too long: a rate of
        thirty times the right one is brought down within the tries there are.
        """
        ease = self._section.ease
        scale = ease ** (1 + self._rollbacks_for_nothing(at))
        if self._update > LARGEST_UPDATE:
            scale = min(scale, ease * LARGEST_UPDATE / self._update)
        self._update = 0.0
        rollback = Rollback(at, to, why, self.rate_scale * scale, self.easing * ease)
        self.rollbacks.append(rollback)
        self._recent.clear()
        return rollback

    def _rollbacks_for_nothing(self, at: int) -> int:
        """How many of the last rollbacks led no farther than to where the run failed again."""
        count = 0
        for earlier in reversed(self.rollbacks):
            if at > earlier.at + self.window:
                break
            count, at = count + 1, earlier.at
        return count

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
        self._recent = deque(state["recent"], maxlen=self.window)
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


class Updates:
    """How far steps move the weights of a network, as a share of their length.

    Measured on the first output channels of each matrix and convolution: no copy of all weights is needed.
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
        """The length of the step since `begin`, as a share of the length of the weights before it."""
        if not self._before:
            return 0.0
        pairs = zip(self._weights, self._before, strict=True)
        moved = torch.stack([(after - before).norm() for after, before in pairs]).norm()
        length = torch.stack([before.norm() for before in self._before]).norm()
        return float(moved / length.clamp(min=1e-12))


def _median(records: deque[dict[str, float]], key: str) -> float:
    # Records of runs that an earlier version began may lack a key.
    values = sorted(record.get(key, 0.0) for record in records)
    return values[len(values) // 2]
