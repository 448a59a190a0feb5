"""A training run: what it holds between steps, what it writes, and how it goes on after a stop or a failure."""

from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import torch

from facespace.errors import DataError
from facespace.train.data.dataset import FaceSet
from facespace.train.data.sampling import IdentityBatches
from facespace.train.engine.build import build
from facespace.train.engine.checkpoint import BEST, Checkpoint, checkpoints_in, last_whole, save_checkpoint
from facespace.train.engine.distributed import Workers
from facespace.train.engine.feed import Feed
from facespace.train.engine.history import History, read_history
from facespace.train.engine.precision import precision_for, slowness
from facespace.train.engine.reports import changed_data, data_of, reduced_batch
from facespace.train.engine.rollback import drop_after, way_back
from facespace.train.engine.search import search_pool
from facespace.train.engine.snapshot import restore, snapshot
from facespace.train.engine.stored import check_same_recipe, precision_of
from facespace.train.engine.validate import BEST_BY, validate
from facespace.train.recipe import Recipe

Say = Callable[[str], None]


class Run:
    """A run as it goes on; parameters as for `train`. Use it in a `with` statement.

    Attributes
    ----------
    state : State
        What it trains, and how far it is.
    feed : Feed
        Gives each step its faces.
    labels : int64 tensor, shape (n,)
        The person of each training face.
    workers : Workers
    precision : 'fp32' or 'bf16'
    """

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
        self.labels = torch.from_numpy(faces.labels)
        self.state = build(recipe, faces, batches, workers.device)
        teacher = (
            None
            if faces.teacher is None
            else self.state.loss.teacher_points(faces.teacher, faces.labels, recipe.network.dimension)
        )
        self.feed = Feed(recipe, faces, teacher, self.state.plan, workers)
        self.state.network.train()

    def __enter__(self) -> "Run":
        self.workers.__enter__()
        self._history = History(self._run / "history.jsonl") if self.workers.first else None
        try:
            self._take_up()
        except BaseException as error:
            self.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.feed.__exit__(kind, error, trace)
        if self._history:
            self._history.__exit__(kind, error, trace)
        self.workers.__exit__(kind, error, trace)

    @property
    def bf16(self) -> bool:
        """Whether the network runs in bfloat16."""
        return self.precision == "bf16"

    def search_pool(self) -> None:
        """Look for hard triplets in a pool of faces, with the network as it is."""
        self.feed.forget()
        suspects = self._run / "suspects.csv"
        search_pool(self.state, self._recipe, self._faces, self.workers, self.bf16, suspects)

    def add(self, record: dict[str, float]) -> None:
        """Note a step, with the validation rates where they are due."""
        state, every = self.state, self._recipe.validation.every
        last = state.step == self._recipe.steps
        if self._validation is not None and self.workers.first and (last or (every and state.step % every == 0)):
            record.update(
                validate(
                    state.network,
                    self._validation,
                    self._recipe.validation.faces,
                    self._recipe.seed,
                    self.workers.device,
                    self.bf16,
                )
            )
            found = record.get(BEST_BY, -1.0)
            if found > state.best:
                state.best = found
                self.save(BEST)
        if self._history:
            self._history.add(record)

    def save(self, name: str | None = None) -> None:
        """Write a checkpoint of this moment, under a name or the step's."""
        if self._history is None:
            return
        beside = {
            "people": len(self._faces.people),
            "photos": len(self._faces.labels),
            "data": self._data,
            "precision": self.precision,
            "history_size": self._history.size(),
        }
        checkpoint = snapshot(self.state, self._recipe, beside)
        save_checkpoint(self._folder, checkpoint, self._recipe.keep_checkpoints, name)

    def go_back(self, why: str) -> None:
        """Return to a good checkpoint, lower the rate and ease the mining; or give up with a diagnosis."""
        care = self.state.care
        if not care.may_go_on:
            raise DataError(care.diagnosis(why))
        self.workers.wait()
        target = way_back(self._folder, care.rollbacks[-1].to if care.rollbacks else None)
        self.workers.wait()
        if self.workers.first:
            drop_after(self._folder, target.step)
        failed_at = self.state.step + 1
        rollbacks = list(care.rollbacks)
        self._restore(target)
        care.rollbacks = rollbacks
        done = care.go_back(failed_at, target.step, why)
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
                    self.state.plan.forget()

    def _restore(self, checkpoint: Checkpoint) -> None:
        self.feed.forget()
        restore(self.state, checkpoint, len(self._faces.people))
