"""The training loop: draw a batch, embed it, mine triplets, take a step, watch for failure."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from facespace.train.data.dataset import FaceSet
from facespace.train.engine.distributed import Workers
from facespace.train.engine.gradient import batch_gradient
from facespace.train.engine.run import Run, Warn
from facespace.train.engine.seeds import step_seed
from facespace.train.engine.watchdog import spread_of
from facespace.train.losses import Batch
from facespace.train.mining import Triplets, mine
from facespace.train.optim.optimisers import hardness_at, margin_at, rate_at
from facespace.train.recipe import Recipe

OnStep = Callable[[dict[str, float]], None]


@dataclass(frozen=True)
class Trained:
    """The result of a training run.

    network : in evaluation mode
    history : one record per step: step, loss, rate, images (embedded so far, including pool searches), seconds in
        total and by part of the step, the spread of the embeddings, and the miner's statistics
    resumed_from : step of the checkpoint that the run was resumed from, 0 for a new run
    seconds : duration of this call
    rollbacks : number of rollbacks
    precision : 'fp32' or 'bf16', the precision that the network was trained in
    verdict : why the network is useless, None if it is not
    """

    network: nn.Module
    history: list[dict[str, float]]
    resumed_from: int
    seconds: float
    rollbacks: int
    precision: str
    verdict: str | None


def train(
    recipe: Recipe,
    faces: FaceSet,
    run: Path,
    resume: bool = False,
    on_step: OnStep = lambda record: None,
    warn: Warn = lambda message: None,
    validation: FaceSet | None = None,
    workers: Workers | None = None,
) -> Trained:
    """Train a network according to a recipe.

    All random numbers depend only on the recipe's seed and the step, so an interrupted and resumed run gives the same
    results as an uninterrupted one.

    Parameters
    ----------
    recipe : Recipe
    faces : FaceSet
        The training faces; must not contain validation people.
    run : path
        Folder of this run; checkpoints go to run/checkpoints, records to run/history.jsonl.
    resume : bool
        Continue from the last readable checkpoint.
    on_step : callable
        Called with each step's record. If it raises KeyboardInterrupt, a checkpoint is written first.
    warn : callable
        Called with each message for the user.
    validation : FaceSet or None
        Faces of other people, on whom VAL is measured as set in [validation] of the recipe.
    workers : Workers or None
        The processes that share the work. None: this process alone, on the best available device.

    Raises
    ------
    DataError
        The folder already contains a run and `resume` is False; no triplets can be made from the data; training
        failed more often than [watchdog] of the recipe allows; or a file cannot be written.
    """
    started = time.perf_counter()
    with Run(recipe, faces, run, resume, warn, validation, workers or Workers()) as current:
        state = current.state
        first = state.step
        while state.step < recipe.steps:
            record = _step(recipe, current)
            why = state.watchdog.failure(record)
            if why is not None:
                current.roll_back(why)
                continue
            state.step += 1
            current.add(record)
            try:
                on_step(record)
            except KeyboardInterrupt:
                current.save()
                raise
            if state.step % recipe.checkpoint_every == 0 or state.step == recipe.steps:
                current.save()
        verdict = current.verdict()
        seconds = time.perf_counter() - started
        return Trained(
            network=state.network.eval(),
            history=current.history(),
            resumed_from=first,
            seconds=seconds,
            rollbacks=len(state.watchdog.rollbacks),
            precision=current.precision,
            verdict=verdict,
        )


def _step(recipe: Recipe, run: Run) -> dict[str, float]:
    """Take one optimisation step; return its record."""
    state, workers = run.state, run.workers
    step, mining, clock = state.step, recipe.mining, _Clock()
    if state.plan.due(step):
        run.search_pool()
    clock.lap("search")
    chosen, pixels = run.feed.batch(step)
    labels = run.labels[torch.from_numpy(chosen.faces)].to(workers.device)
    clock.lap("data")

    margin = margin_at(recipe.loss, step, recipe.steps)
    alpha = margin or 0.0
    hardness = hardness_at(mining, step, recipe.steps) * state.watchdog.hardness_scale
    generator = torch.Generator().manual_seed(step_seed(recipe.seed, step, "mining"))
    found: dict[str, float] = {}

    def triplets_of(distances: Tensor, people: Tensor) -> Triplets:
        online = mine(
            mining.online, distances, people, alpha, hardness, mining.floor, mining.pairs, generator,
            recipe.loss.plain_margin,
        )  # fmt: skip
        return chosen.with_hard(online)

    def backward(embeddings: Tensor) -> Tensor:
        clock.lap("embed")
        batch = Batch(embeddings, labels, alpha, triplets_of, run.feed.teacher_of(chosen.faces))
        loss, triplets = state.loss(batch)
        found.update(vars(triplets.stats) if triplets is not None else {})
        loss.backward()
        found["loss"] = loss.item()
        found.update(spread_of(embeddings.detach(), labels))
        clock.lap("loss")
        assert embeddings.grad is not None
        return embeddings.grad

    rate = rate_at(step, recipe.steps, recipe.optimiser) * state.watchdog.rate_scale
    for group in state.optimiser.param_groups:
        group["lr"] = rate
    state.optimiser.zero_grad()
    seed = step_seed(recipe.seed, step, "network")
    batch_gradient(
        state.network, pixels, len(labels), recipe.batch.chunk, backward, workers, seed,
        run.bf16, state.forward,
    )  # fmt: skip
    weights = [weight for weight in state.network.parameters() if weight.grad is not None]
    norm = nn.utils.clip_grad_norm_(weights, recipe.optimiser.clip or float("inf"))
    state.updates.begin()
    state.optimiser.step()
    found["update"] = state.updates.size()
    clock.lap("backward")

    state.images += len(chosen.faces)
    return {
        "step": step + 1,
        **found,
        "gradient_norm": float(norm),
        "rate": rate,
        **({} if margin is None else {"margin": margin}),
        **({"hardness": hardness, "mined": len(chosen.hard)} if recipe.loss.mines else {}),
        "images": state.images,
        **clock.seconds(),
    }


class _Clock:
    """Measures the time of each part of a step."""

    def __init__(self) -> None:
        self._started = self._last = time.perf_counter()
        self._laps: dict[str, float] = {}

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self._laps[f"{name}_seconds"] = now - self._last
        self._last = now

    def seconds(self) -> dict[str, float]:
        return {"seconds": time.perf_counter() - self._started, **self._laps}
