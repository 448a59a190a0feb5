"""Everything a training run holds between steps: what it trains, what it draws from, what it writes."""

import shutil
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from facespace.errors import DataError
from facespace.train.data.augment import Draw, distorted
from facespace.train.data.dataset import FaceSet
from facespace.train.data.inputs import as_input
from facespace.train.data.loaders import Loaders
from facespace.train.data.prefetch import Ahead
from facespace.train.data.sampling import IdentityBatches
from facespace.train.engine.checkpoint import (
    BEST,
    Checkpoint,
    checkpoints_in,
    last_whole,
    load_checkpoint,
    save_checkpoint,
)
from facespace.train.engine.distributed import Workers
from facespace.train.engine.history import History, read_history
from facespace.train.engine.plan import Plan, StepFaces
from facespace.train.engine.precision import precision_for, slowness
from facespace.train.engine.reports import changed_data, data_of, reduced_batch
from facespace.train.engine.start import start_from
from facespace.train.engine.stored import check_same_recipe, precision_of
from facespace.train.engine.validate import BEST_BY, embed_all, validation_rates
from facespace.train.engine.watchdog import Care
from facespace.train.losses import build_loss
from facespace.train.mining import hard_triplets, suspected_labels
from facespace.train.mining.suspects import write_suspects
from facespace.train.networks import build_network
from facespace.train.optim.optimisers import build_optimiser, margin_at
from facespace.train.recipe import Recipe

Say = Callable[[str], None]

# The faces of a step, and this process's share of them: uint8, shape (b, h, w, 3).
_Prepared = tuple[StepFaces, Tensor]

_PURPOSES = {"augment": 3, "mining": 6, "network": 7}


class Run:
    """A run as it goes on; parameters as for `train`. Use it in a `with` statement."""

    def __init__(
        self,
        recipe: Recipe,
        faces: FaceSet,
        run: Path,
        resume: bool,
        warn: Say,
        validation: FaceSet | None,
        workers: Workers,
    ):
        self._recipe, self._faces, self._validation = recipe, faces, validation
        self._run, self._folder = run, run / "checkpoints"
        self._warn = warn if workers.first else lambda message: None
        self.workers = workers
        if checkpoints_in(self._folder) and not resume:
            raise DataError(f"{run} holds a training run already; continue it with --resume or name another folder")
        batches = IdentityBatches(
            faces.labels, recipe.batch.people, recipe.batch.photos, recipe.seed, recipe.batch.singles
        )
        if batches.single_photo_people and not batches.singles:
            self._warn(
                f"{batches.single_photo_people} people have one photo only and are never anchors; they are left out"
            )
        smaller = reduced_batch(faces.labels, recipe.batch.people, recipe.batch.photos)
        if smaller:
            self._warn(smaller)
        self._data = {"train": data_of(faces), "validation": None if validation is None else data_of(validation)}
        self.plan = Plan(recipe, batches)
        self.labels = torch.from_numpy(faces.labels)
        torch.manual_seed(recipe.seed)
        size = recipe.network
        network = build_network(size.name, size.width, size.height, size.dimension).to(workers.device)
        if size.start is not None:
            start_from(network, size.start)
        # Channels last in memory: 1.5 times as fast on a CPU, the same numbers.
        self.network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        # Batches are embedded through this; everything else, such as validation, takes the network as it is.
        self.forward: Callable[[Tensor], Tensor] = torch.compile(self.network) if recipe.compile else self.network
        self.loss = build_loss(recipe.loss, len(faces.people), size.dimension).to(workers.device)
        self._teacher = (
            None if faces.teacher is None else self.loss.teacher_points(faces.teacher, faces.labels, size.dimension)
        )
        self.optimiser = build_optimiser(recipe.optimiser, [*self.network.parameters(), *self.loss.parameters()])
        self.care = Care(recipe.care, margin_at(recipe.loss, 0, recipe.steps) if self.loss.by_triplets else None)
        self.step, self.images, self._best = 0, 0, -1.0
        self._ahead: Ahead[_Prepared] | Loaders[_Prepared] = (
            Loaders(self._prepare, workers.loaders, pin=workers.device.type == "cuda")
            if workers.loaders
            else Ahead(self._prepare)
        )
        self.network.train()

    def __enter__(self) -> "Run":
        self.workers.__enter__()
        self._history = History(self._run / "history.jsonl") if self.workers.first else None
        try:
            self._take_up()
        except BaseException as error:
            self.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def _take_up(self) -> None:
        """Go on from the last whole checkpoint, or write the first."""
        self.precision = precision_for(self._recipe.precision, self.workers)
        slow = slowness(self._recipe.precision, self.workers.device)
        if slow:
            self._warn(slow)
        checkpoint = last_whole(self._folder, self._warn)
        if checkpoint is not None:
            check_same_recipe(checkpoint, self._run, self._recipe)
            self._restore(checkpoint)
            self._report_changes(checkpoint)
        if self._history:
            self._history.cut(0 if checkpoint is None else checkpoint.extra["history_size"])
        if checkpoint is None:
            # The way back for a run that fails before its first checkpoint.
            self.save()

    def _report_changes(self, checkpoint: Checkpoint) -> None:
        """Say how this run goes on otherwise than it began; none of it is a reason to stop."""
        before = precision_of(checkpoint)
        if before != self.precision:
            self._warn(
                f"up to step {checkpoint.step} this run was trained in {before}, and goes on in {self.precision}: its "
                "numbers will differ from those of a run that was not interrupted"
            )
        extra = checkpoint.extra
        kept = extra.get("data") or {"train": {"people": extra["people"], "photos": extra["photos"]}}
        for what, name in (("train", "training"), ("validation", "validation")):
            message = changed_data(name, kept[what], self._data[what]) if what in kept else None
            if message:
                self._warn(message)
                if what == "train":
                    # They count faces of the set that was.
                    self.plan.forget()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ahead.__exit__(kind, error, trace)
        if self._history:
            self._history.__exit__(kind, error, trace)
        self.workers.__exit__(kind, error, trace)

    def batch(self) -> tuple[StepFaces, Tensor]:
        """The faces of this step, and this process's share of them as the network takes them."""
        chosen, pixels = self._ahead.get(self.step, self.plan.settled(self.step))
        return chosen, as_input(pixels.to(self.workers.device, non_blocking=True).permute(0, 3, 1, 2).float())

    def _prepare(self, step: int) -> _Prepared:
        """The faces of a step, and this process's share of them, changed at random as the recipe says."""
        faces, chosen = self._faces, self.plan.step(step)
        own = self.workers.share(len(chosen.faces))
        draw = Draw.of(len(chosen.faces), np.random.default_rng(step_seed(self._recipe.seed, step, "augment")))[own]
        pixels = faces.pixels[chosen.faces[own]]
        changed = distorted(
            pixels, faces.margin, faces.input_size, self._recipe.augment, draw, threads=not self.workers.loaders
        )
        return chosen, torch.from_numpy(changed)

    def teacher_of(self, faces: NDArray[np.int64]) -> Tensor | None:
        """The teacher's points of these faces, as the loss has them; None where the data have none."""
        return None if self._teacher is None else torch.from_numpy(self._teacher[faces]).to(self.workers.device)

    @property
    def bf16(self) -> bool:
        """Whether the network runs in bfloat16."""
        return self.precision == "bf16"

    def search_pool(self) -> None:
        """Embed a pool with the network as it is and look there for hard triplets."""
        offline = self._recipe.mining.offline
        pool = self.plan.pool(self.step, len(self.labels))
        own = pool[self.workers.share(len(pool))]
        embedded = embed_all(self.network, self._faces, own, self.workers.device, self.bf16)
        points = self.workers.gather(embedded, len(pool))
        anchors = torch.from_numpy(self.plan.anchors(self.step, len(pool))).to(points.device)
        labels = self.labels[torch.from_numpy(pool)].to(points.device)
        if self.workers.first:
            suspects = suspected_labels(points, labels, anchors)
            write_suspects(self._run / "suspects.csv", suspects, pool, self._faces)
        found = hard_triplets(
            points,
            labels,
            anchors,
            margin_at(self._recipe.loss, self.step, self._recipe.steps) or 0.0,
            offline.hardness * self.care.easing,
            offline.floor,
        )
        self._ahead.forget()
        self.plan.take(self.step, pool, found)
        self.images += len(pool)

    def add(self, record: dict[str, float]) -> None:
        """Note a step, with the validation rates where they are due."""
        every = self._recipe.validation.every
        last = self.step == self._recipe.steps
        if self._validation is not None and self.workers.first and (last or (every and self.step % every == 0)):
            record.update(self._validate(self._validation))
            found = record.get(BEST_BY, -1.0)
            if found > self._best:
                self._best = found
                self.save(BEST)
        if self._history:
            self._history.add(record)

    def save(self, name: str | None = None) -> None:
        """Write a checkpoint of this moment, under a name or the step's."""
        if self._history is None:
            return
        save_checkpoint(
            self._folder,
            Checkpoint(
                step=self.step,
                recipe=self._recipe.model_dump(mode="json"),
                network=self.network.state_dict(),
                loss=self.loss.state_dict(),
                optimiser=self.optimiser.state_dict(),
                mined=self.plan.mined,
                extra={
                    "mined_at": self.plan.mined_at,
                    "images": self.images,
                    "people": len(self._faces.people),
                    "photos": len(self._faces.labels),
                    "data": self._data,
                    "precision": self.precision,
                    "best": self._best,
                    "care": self.care.state(),
                    "history_size": self._history.size(),
                },
            ),
            self._recipe.keep_checkpoints,
            name,
        )

    def go_back(self, why: str) -> None:
        """Return to a good checkpoint, lower the rate and ease the mining; or give up with a diagnosis."""
        if not self.care.may_go_on:
            raise DataError(self.care.diagnosis(why))
        self.workers.wait()
        kept = checkpoints_in(self._folder)
        # Where the last return led to failure again, the checkpoint itself may be sick: one further back.
        tried = self.care.rollbacks[-1].to if self.care.rollbacks else None
        earlier = [path for path in kept if tried is None or _step_of(path) != tried] or kept
        target = load_checkpoint(earlier[-1])
        self.workers.wait()
        if self.workers.first:
            for path in kept:
                # What comes after the way back led here; a resumed run must not take it up.
                if _step_of(path) > target.step:
                    shutil.rmtree(path, ignore_errors=True)
        failed_at = self.step + 1
        rollbacks = list(self.care.rollbacks)
        self._restore(target)
        self.care.rollbacks = rollbacks
        done = self.care.go_back(failed_at, target.step, why)
        eased = f", hardness of the mining x {done.easing:g}" if self._recipe.loss.mines else ""
        self._warn(f"{why}; back to step {target.step}, rate x {done.rate_scale:g}{eased}")
        if self._history:
            self._history.add({"event": "rollback", **vars(done)})

    def history(self) -> list[dict[str, float]]:
        """The records of the steps that count: those of failed tries are left out."""
        if self._history is None:
            return []
        records: list[dict[str, float]] = []
        for record in read_history(self._history.path):
            if "event" in record:
                records = [kept for kept in records if kept["step"] <= record["to"]]
            else:
                records.append(record)
        return records

    def _validate(self, others: FaceSet) -> dict[str, float]:
        rows = np.arange(len(others.labels))
        if 0 < self._recipe.validation.faces < len(rows):
            rng = np.random.default_rng([self._recipe.seed, 8])
            rows = np.sort(rng.choice(rows, self._recipe.validation.faces, replace=False))
        points = embed_all(self.network, others, rows, self.workers.device, self.bf16)
        return validation_rates(points.cpu().numpy(), others.labels[rows])

    def _restore(self, checkpoint: Checkpoint) -> None:
        self._ahead.forget()
        self.network.load_state_dict(checkpoint.network)
        try:
            self.loss.load_state_dict(checkpoint.loss)
        except RuntimeError:
            raise DataError(
                f"the loss {self._recipe.loss.name!r} has weights for each training person, and the people are not "
                f"those this run began with ({checkpoint.extra['people']:,} then, {len(self._faces.people):,} now); "
                "resume it with its own data, or start another run"
            ) from None
        self.optimiser.load_state_dict(checkpoint.optimiser)
        self.plan.mined, self.plan.mined_at = checkpoint.mined, checkpoint.extra["mined_at"]
        self.step, self.images = checkpoint.step, checkpoint.extra["images"]
        self._best = checkpoint.extra["best"]
        self.care.restore(checkpoint.extra["care"])


def step_seed(seed: int, step: int, purpose: str) -> int:
    """The seed of one kind of chance in one step."""
    return int(np.random.SeedSequence([seed, _PURPOSES[purpose], step]).generate_state(1, np.uint64)[0] >> 2)


def _step_of(path: Path) -> int:
    return int(path.name.removeprefix("step-"))
