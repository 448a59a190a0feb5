"""The watchdog of a training run: detect failure, roll back, and continue with another rate and easier triplets.

Triplet training collapses when all embeddings become equal: every distance is near 0, every triplet violates the
margin by exactly the margin, and the gradient has no direction. Like any training, it can also diverge, or learn next
to nothing because its steps are too small or its triplets too hard. The training loop passes every step's record to
`Watchdog.failure` and rolls back when it reports a failure.
"""

import math
from collections import deque
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from facespace.train.recipe import WatchdogSection

# Collapsed: the mean squared distance between people is below this share of the smaller of its first value and the
# margin, or below an absolute floor where float32 no longer resolves distances well.
COLLAPSED_SHARE, COLLAPSED = 0.1, 1e-3

# At the end of a run the limit is higher: with people less than half a margin apart, hardly a triplet can keep it.
FINAL_SHARE = 0.5

# Stuck at the margin: nearly all triplets are active, and different people are hardly farther apart than photos of
# one person.
PINNED_ACTIVE, PINNED_GAP = 0.98, 0.02

# Many runs begin stuck at the margin and recover, so this check starts after so many windows.
GRACE_WINDOWS = 5

# The window is at most this fraction of the run, but not shorter than this: short runs must be able to fail too.
WINDOWS_PER_RUN, SHORTEST_WINDOW = 20, 5

# Overshooting: the median step changes the weights by more than this share of their norm. In a healthy run it is some
# percent, after the first steps of AdaGrad and Adam, which are large whatever the gradient.
LARGEST_UPDATE, UPDATE_WINDOWS = 0.1, 2

# Slow: at these shares of the run, different people are less than this share farther apart than photos of one person.
# Healthy runs are at .16 to .41 after a fifth.
LOOKS, SLOW_SEPARATION = (0.2, 0.4), 0.1

# Steps of a slow run are raised to this share of the weights' norm, by this factor at most.
SOUND_UPDATE, LARGEST_RAISE = 0.005, 10.0

# Untrained: different people are less than this share farther apart than photos of one person.
LEAST_SEPARATION = 0.05


@dataclass(frozen=True)
class Rollback:
    """One rollback: the reason, and the settings from then on.

    at, to : step of the failure, step of the restored checkpoint
    why : the reason, with figures
    rate_scale : factor on the recipe's learning rate from now on
    hardness_scale : factor on the hardness of the mining from now on
    """

    at: int
    to: int
    why: str
    rate_scale: float
    hardness_scale: float


class Watchdog:
    """Detects failing training from the records of the steps, and keeps the list of rollbacks.

    Parameters
    ----------
    section : WatchdogSection
    margin : float or None
        Margin of the loss. None for a loss without one; then only the absolute floor counts as collapse.
    steps : int or None
        Steps of the run, which may shorten the window. None: the run is never found slow.
    """

    def __init__(self, section: WatchdogSection, margin: float | None, steps: int | None = None):
        self._section = section
        self._margin = margin
        longest = section.window if steps is None else max(steps // WINDOWS_PER_RUN, SHORTEST_WINDOW)
        self.window = min(section.window, longest)
        self._recent: deque[dict[str, float]] = deque(maxlen=self.window)
        self._first_spread: float | None = None
        self._looks = {math.ceil(share * steps) for share in LOOKS} if steps is not None else set()
        self._update, self._slow = 0.0, False
        self.rollbacks: list[Rollback] = []

    @property
    def rate_scale(self) -> float:
        """Factor on the recipe's learning rate."""
        return self.rollbacks[-1].rate_scale if self.rollbacks else 1.0

    @property
    def hardness_scale(self) -> float:
        """Factor on the recipe's mining hardness: 1 leaves it unchanged, 0 is semi-hard."""
        return self.rollbacks[-1].hardness_scale if self.rollbacks else 1.0

    def failure(self, record: dict[str, float]) -> str | None:
        """Return a description of the failure after this step, or None if training is healthy.

        Parameters
        ----------
        record : dict
            Record of the step with the keys step, loss, gradient_norm, positive_distance, negative_distance and update
            (`Updates.size`); for a loss that uses triplets also active, and mined, the number of triplets from a pool.
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
        if self._update > LARGEST_UPDATE and record["step"] >= UPDATE_WINDOWS * self.window:
            return (
                f"the steps are too large: each changes the weights by {self._update:.0%} of their norm (some percent "
                "in a healthy run)"
            )
        collapsed = self._collapse()
        if collapsed is not None:
            return collapsed
        stuck = self._stuck() if record["step"] >= GRACE_WINDOWS * self.window else None
        return stuck or self._too_slow(round(record["step"]))

    def verdict(self) -> str | None:
        """Return what is wrong with the network at the end of a run, or None; needs no full window or grace period."""
        if not self._recent:
            return None
        separation = self._separation()
        untrained = (
            f"different people are only {separation:.1%} farther apart (squared distance) than photos of one person: "
            "it has learnt next to nothing"
        )
        return (
            self._collapse(FINAL_SHARE * (self._margin or 0.0))
            or self._stuck()
            or (untrained if separation < LEAST_SEPARATION else None)
        )

    def _collapse(self, least: float = 0.0) -> str | None:
        spread, first = _median(self._recent, "negative_distance"), self._first_spread or 0.0
        if spread >= max(least, COLLAPSED, COLLAPSED_SHARE * min(first, self._margin or 0.0)):
            return None
        return (
            f"the space has collapsed: the mean squared distance between people is {spread:.1e} ({first:.2g} at the "
            "start)"
        )

    def _stuck(self) -> str | None:
        if self._margin is None:
            return None
        gap = _median(self._recent, "negative_distance") - _median(self._recent, "positive_distance")
        active = _median(self._recent, "active")
        if active <= PINNED_ACTIVE or gap >= PINNED_GAP * self._margin:
            return None
        return (
            f"the loss is stuck at the margin: {active:.0%} of the triplets are active, and different people are "
            f"only {gap:.1e} farther apart (squared distance) than photos of one person"
        )

    def _too_slow(self, step: int) -> str | None:
        """Return a reason to speed the run up, at a few steps only and once at each; this never ends a run."""
        again = any(rollback.at == step for rollback in self.rollbacks)
        if self._margin is None or step not in self._looks or again or not self.can_roll_back:
            return None
        separation = self._separation()
        self._slow = separation < SLOW_SEPARATION
        if not self._slow:
            return None
        return (
            f"the run learns next to nothing: at step {step}, different people are only {separation:.1%} farther apart "
            "(squared distance) than photos of one person"
        )

    def _separation(self) -> float:
        """The share by which different people are farther apart; infinite with hard triplets from a pool."""
        if any(record.get("mined", 0) for record in self._recent):
            return math.inf
        between = _median(self._recent, "negative_distance")
        return 1 - _median(self._recent, "positive_distance") / max(between, 1e-12)

    def roll_back(self, at: int, to: int, why: str) -> Rollback:
        """Record a rollback, which changes the learning rate and lowers the mining hardness from now on.

        The rate is multiplied by `backoff`, and by a smaller factor if the last rollbacks did not help or the steps are
        far too large: a rate thirty times too high must come down within the number of rollbacks allowed. After a
        failure by slowness, small steps become larger and the hardness becomes 0.
        """
        backoff = self._section.backoff
        scale = backoff ** (1 + self._useless_rollbacks(at))
        easier = self.hardness_scale * backoff
        if self._slow:
            scale, easier = min(max(SOUND_UPDATE / max(self._update, 1e-12), 1.0), LARGEST_RAISE), 0.0
        elif self._update > LARGEST_UPDATE:
            scale = min(scale, backoff * LARGEST_UPDATE / self._update)
        self._update, self._slow = 0.0, False
        rollback = Rollback(at, to, why, self.rate_scale * scale, easier)
        self.rollbacks.append(rollback)
        self._recent.clear()
        return rollback

    def _useless_rollbacks(self, at: int) -> int:
        """The number of last rollbacks after which the run got no farther than the step where it had failed."""
        count = 0
        for earlier in reversed(self.rollbacks):
            if at > earlier.at + self.window:
                break
            count, at = count + 1, earlier.at
        return count

    @property
    def can_roll_back(self) -> bool:
        """Whether another rollback is allowed."""
        return len(self.rollbacks) < self._section.max_rollbacks

    def diagnosis(self, why: str) -> str:
        """Explain why training stops, and what to change in the recipe."""
        rollbacks = "; ".join(f"step {r.at} to {r.to}, rate x {r.rate_scale:g}" for r in self.rollbacks) or "none"
        return (
            f"training keeps failing: {why}. Rollbacks so far: {rollbacks}. Lower optimiser.rate, add "
            "optimiser.warmup, start mining.hardness at 0, use larger batches, or look for wrong labels among the faces"
        )

    def state(self) -> dict[str, Any]:
        """Return the state to save in a checkpoint, as plain data."""
        return {
            "recent": list(self._recent),
            "first_spread": self._first_spread,
            "rollbacks": [vars(rollback) for rollback in self.rollbacks],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Restore the state from a checkpoint."""
        self._recent = deque(state["recent"], maxlen=self.window)
        self._first_spread = state["first_spread"]
        self.rollbacks = [Rollback(**_renamed(rollback)) for rollback in state["rollbacks"]]


@torch.no_grad()
def spread_of(embeddings: Tensor, labels: Tensor) -> dict[str, float]:
    """Measure how the embeddings of a batch are spread.

    Parameters
    ----------
    embeddings : float tensor, shape (b, d), L2 norm 1
    labels : int tensor, shape (b,)

    Returns
    -------
    dict
        positive_distance, negative_distance: mean squared distance within and between people (NaN if there are no
        such pairs). rank: effective rank of the centred embeddings, exp of the entropy of the variance shares, from
        1 (all on a line) to d (Roy and Vetterli 2007).
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


def _renamed(rollback: dict[str, Any]) -> dict[str, Any]:
    # Checkpoints of earlier versions call it 'easing'.
    return {{"easing": "hardness_scale"}.get(key, key): value for key, value in rollback.items()}


def _median(records: deque[dict[str, float]], key: str) -> float:
    # Checkpoints of earlier versions lack some keys.
    values = sorted(record.get(key, 0.0) for record in records)
    return values[len(values) // 2]
