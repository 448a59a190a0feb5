"""The training loop: draw a batch, embed it, mine triplets, step; look after it. Read it from top to bottom."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from facespace.train.data.dataset import FaceSet
from facespace.train.engine.distributed import Workers
from facespace.train.engine.gradient import batch_gradient
from facespace.train.engine.run import Run, Say, step_seed
from facespace.train.engine.watchdog import spread_of
from facespace.train.losses import Batch
from facespace.train.mining import Triplets, mine
from facespace.train.optim.optimisers import hardness_at, margin_at, rate_at
from facespace.train.recipe import Recipe

OnStep = Callable[[dict[str, float]], None]


@dataclass(frozen=True)
class Trained:
    """What a run gives.

    network : in evaluation mode
    history : one record a step: step, loss, rate, images (embedded so far, pool searches included), seconds
        and where they went, the spread of the points, and what the miner saw; between them events
    resumed_from : the step a checkpoint gave, 0 for a fresh start
    seconds : of this call
    rollbacks : times this run went back to a good checkpoint
    precision : 'fp32' or 'bf16', what the network was trained in
    """

    network: nn.Module
    history: list[dict[str, float]]
    resumed_from: int
    seconds: float
    rollbacks: int
    precision: str


def train(
    recipe: Recipe,
    faces: FaceSet,
    run: Path,
    resume: bool = False,
    on_step: OnStep = lambda record: None,
    warn: Say = lambda message: None,
    validation: FaceSet | None = None,
    workers: Workers | None = None,
) -> Trained:
    """Train a network as the recipe says.

    Every random choice follows from the recipe's seed and the number of the step, so a run that was stopped
    and resumed gives the numbers of one that was not.

    Parameters
    ----------
    recipe : Recipe
    faces : FaceSet
        The people to train on; none set aside for validation may be among them.
    run : path
        Folder of this run; checkpoints go to run/checkpoints, records to run/history.jsonl.
    resume : bool
        Continue from the last whole checkpoint.
    on_step : callable
        Told each step's record.
    warn : callable
        Told what the user should know.
    validation : FaceSet or None
        Other people, on whom VAL is measured as the recipe's [validation] says.
    workers : Workers or None
        The processes that share the work; this one alone, on the best device, where None.

    Raises
    ------
    DataError
        The folder holds a run already (and `resume` is not set), the data cannot make triplets, training
        failed more often than the recipe's [care] allows, or the disk refused.
    """
    started = time.perf_counter()
    with Run(recipe, faces, run, resume, warn, validation, workers or Workers()) as state:
        first = state.step
        while state.step < recipe.steps:
            record = _step(recipe, state)
            why = state.care.failure(record)
            if why is not None:
                state.go_back(why)
                continue
            state.step += 1
            state.add(record)
            on_step(record)
            if state.step % recipe.checkpoint_every == 0 or state.step == recipe.steps:
                state.save()
        seconds = time.perf_counter() - started
        return Trained(
            state.network.eval(), state.history(), first, seconds, len(state.care.rollbacks), state.precision
        )


def _step(recipe: Recipe, state: Run) -> dict[str, float]:
    """One step of the network; its record."""
    step, mining, clock = state.step, recipe.mining, _Clock()
    if state.plan.due(step):
        state.search_pool()
    clock.lap("search")
    chosen, pixels = state.batch()
    labels = state.labels[torch.from_numpy(chosen.faces)].to(state.workers.device)
    clock.lap("data")

    margin = margin_at(recipe.loss, step, recipe.steps)
    alpha = margin or 0.0
    hardness = hardness_at(mining, step, recipe.steps) * state.care.easing
    generator = torch.Generator().manual_seed(step_seed(recipe.seed, step, "mining"))
    found: dict[str, float] = {}

    def triplets_of(distances: Tensor, people: Tensor) -> Triplets:
        online = mine(mining.online, distances, people, alpha, hardness, mining.floor, mining.pairs, generator)
        return chosen.with_hard(online)

    def backward(embeddings: Tensor) -> Tensor:
        clock.lap("embed")
        batch = Batch(embeddings, labels, alpha, triplets_of, state.teacher_of(chosen.faces))
        loss, triplets = state.loss(batch)
        found.update(vars(triplets.stats) if triplets is not None else {})
        loss.backward()
        found["loss"] = loss.item()
        found.update(spread_of(embeddings.detach(), labels))
        clock.lap("loss")
        assert embeddings.grad is not None
        return embeddings.grad

    rate = rate_at(step, recipe.steps, recipe.optimiser) * state.care.rate_scale
    for group in state.optimiser.param_groups:
        group["lr"] = rate
    state.optimiser.zero_grad()
    seed = step_seed(recipe.seed, step, "network")
    batch_gradient(
        state.network, pixels, len(labels), recipe.batch.chunk, backward, state.workers, seed,
        state.bf16, state.forward,
    )  # fmt: skip
    weights = [weight for weight in state.network.parameters() if weight.grad is not None]
    norm = nn.utils.clip_grad_norm_(weights, recipe.optimiser.clip or float("inf"))
    state.optimiser.step()
    clock.lap("backward")

    state.images += len(chosen.faces)
    return {
        "step": step + 1,
        **found,
        "gradient_norm": float(norm),
        "rate": rate,
        **({} if margin is None else {"margin": margin}),
        **({"hardness": hardness} if recipe.loss.mines else {}),
        "images": state.images,
        **clock.seconds(),
    }


class _Clock:
    """Where the time of a step goes."""

    def __init__(self) -> None:
        self._started = self._last = time.perf_counter()
        self._laps: dict[str, float] = {}

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self._laps[f"{name}_seconds"] = now - self._last
        self._last = now

    def seconds(self) -> dict[str, float]:
        return {"seconds": time.perf_counter() - self._started, **self._laps}
