"""A training run: its state, checkpoints and history, resuming, and rolling back after a failure."""

from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import numpy as np
import torch
from numpy.typing import NDArray

from facespace.errors import DataError
from facespace.train.data.dataset import FaceSet
from facespace.train.data.sampling import IdentityBatches
from facespace.train.engine.build import build
from facespace.train.engine.checkpoint import BEST, Checkpoint, checkpoints_in, last_readable, save_checkpoint
from facespace.train.engine.distributed import Workers
from facespace.train.engine.feed import Feed
from facespace.train.engine.history import History, read_history
from facespace.train.engine.precision import precision_for, precision_warning
from facespace.train.engine.reports import changed_data, data_fingerprint, reduced_batch
from facespace.train.engine.rollback import drop_after, rollback_target
from facespace.train.engine.search import search_pool
from facespace.train.engine.snapshot import restore, snapshot
from facespace.train.engine.stored import check_same_recipe, precision_of
from facespace.train.engine.validate import BEST_BY, embed_all, one_point, validate
from facespace.train.recipe import Recipe

Warn = Callable[[str], None]

# Faces by which the space of the network that a run starts from is known: many for each of its dimensions.
STARTED = 2000


class Run:
    """A running training; parameters as for `train`. Use it in a `with` statement.

    Attributes
    ----------
    state : State
        Network, loss, optimiser and progress.
    feed : Feed
        Provides the faces of each step.
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
        warn: Warn,
        validation: FaceSet | None,
        workers: Workers,
    ):
        self._recipe, self._faces, self._validation = recipe, faces, validation
        self._run, self._folder = run, run / "checkpoints"
        self._warn = warn if workers.first else lambda message: None
        self.workers = workers
        if checkpoints_in(self._folder) and not resume:
            raise DataError(f"{run} already contains a training run; continue it with --resume or name another folder")
        batches = IdentityBatches(
            faces.labels, recipe.batch.people, recipe.batch.photos, recipe.seed, recipe.batch.singles
        )
        if batches.single_photo_people and not batches.singles:
            self._warn(
                f"{batches.single_photo_people} people are left out, because they have only one photo and cannot be "
                "anchors"
            )
        smaller = reduced_batch(faces.labels, recipe.batch.people, recipe.batch.photos)
        if smaller:
            self._warn(smaller)
        self._data = {
            "train": data_fingerprint(faces),
            "validation": None if validation is None else data_fingerprint(validation),
        }
        self.labels = torch.from_numpy(faces.labels)
        self.state = build(recipe, faces, batches, workers.device)
        teacher = (
            None
            if faces.teacher is None
            else self.state.loss.teacher_points(
                faces.teacher,
                faces.labels,
                recipe.network.dimension,
                None if recipe.network.start is None else self._embed_some,
            )
        )
        self.feed = Feed(recipe, faces, teacher, self.state.plan, workers)
        self.state.network.train()

    def __enter__(self) -> "Run":
        self.workers.__enter__()
        self._history = History(self._run / "history.jsonl") if self.workers.first else None
        try:
            self._resume_or_start()
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

    def _embed_some(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Embed some faces, drawn by the seed, with the current network."""
        faces = self._faces
        count = min(STARTED, len(faces.labels))
        rows = np.sort(np.random.default_rng(self._recipe.seed).choice(len(faces.labels), count, replace=False))
        return rows, embed_all(self.state.network, faces, rows, self.workers.device).cpu().numpy()

    @property
    def bf16(self) -> bool:
        """Whether the network runs in bfloat16."""
        return self.precision == "bf16"

    def search_pool(self) -> None:
        """Embed a pool of faces with the current network and mine hard triplets in it."""
        self.feed.discard()
        suspects = self._run / "suspects.csv"
        search_pool(self.state, self._recipe, self._faces, self.workers, self.bf16, suspects)

    def add(self, record: dict[str, float]) -> None:
        """Record a step; validate first if it is due."""
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
        """Write a checkpoint, named after the step unless a name is given."""
        if self._history is None:
            return
        extra = {
            "people": len(self._faces.people),
            "photos": len(self._faces.labels),
            "data": self._data,
            "precision": self.precision,
            "history_size": self._history.size(),
        }
        checkpoint = snapshot(self.state, self._recipe, extra)
        save_checkpoint(self._folder, checkpoint, self._recipe.keep_checkpoints, name)

    def roll_back(self, why: str) -> None:
        """Roll back to a good checkpoint, with a lower rate and easier mining.

        Raises
        ------
        DataError
            The recipe allows no more rollbacks.
        """
        watchdog = self.state.watchdog
        if not watchdog.can_roll_back:
            raise DataError(watchdog.diagnosis(why))
        self.workers.wait()
        target = rollback_target(self._folder, watchdog.rollbacks[-1].to if watchdog.rollbacks else None)
        self.workers.wait()
        if self.workers.first:
            drop_after(self._folder, target.step)
        failed_at = self.state.step + 1
        rollbacks = list(watchdog.rollbacks)
        self._restore(target)
        watchdog.rollbacks = rollbacks
        done = watchdog.roll_back(failed_at, target.step, why)
        hardness = f", mining hardness x {done.hardness_scale:g}" if self._recipe.loss.mines else ""
        self._warn(f"{why}; rolled back to step {target.step}, learning rate x {done.rate_scale:g}{hardness}")
        if self._history:
            self._history.add({"event": "rollback", **vars(done)})

    def verdict(self) -> str | None:
        """Return why the network is useless at the end of the run, None if it is not; warn if it is."""
        state = self.state
        why = one_point(state.network, self._faces, self.workers.device, self.bf16) or state.watchdog.verdict()
        if why is not None:
            self._warn(
                f"training ended, but the network is useless: {why}. Lower optimiser.rate, use larger batches or "
                "milder mining, or train for longer"
            )
        return why

    def history(self) -> list[dict[str, float]]:
        """Return the records of all steps except those undone by a rollback."""
        if self._history is None:
            return []
        records: list[dict[str, float]] = []
        for record in read_history(self._history.path):
            if "event" in record:
                records = [kept for kept in records if kept["step"] <= record["to"]]
            else:
                records.append(record)
        return records

    def _resume_or_start(self) -> None:
        """Resume from the last readable checkpoint, or write the first one."""
        self.precision = precision_for(self._recipe.precision, self.workers)
        slow = precision_warning(self._recipe.precision, self.workers.device)
        if slow:
            self._warn(slow)
        checkpoint = last_readable(self._folder, self._warn)
        if checkpoint is not None:
            check_same_recipe(checkpoint, self._run, self._recipe)
            self._restore(checkpoint)
            self._report_changes(checkpoint)
        if self._history:
            self._history.cut(0 if checkpoint is None else checkpoint.extra["history_size"])
        if checkpoint is None:
            # A run that fails before its first regular checkpoint rolls back to this one.
            self.save()

    def _report_changes(self, checkpoint: Checkpoint) -> None:
        """Warn about differences from the interrupted run that do not prevent resuming."""
        before = precision_of(checkpoint)
        if before != self.precision:
            self._warn(
                f"this run was trained in {before} up to step {checkpoint.step} and continues in {self.precision}, so "
                "its results will differ from those of an uninterrupted run"
            )
        extra = checkpoint.extra
        kept = extra.get("data") or {"train": {"people": extra["people"], "photos": extra["photos"]}}
        for what, name in (("train", "training"), ("validation", "validation")):
            message = changed_data(name, kept[what], self._data[what]) if what in kept else None
            if message:
                self._warn(message)
                if what == "train":
                    # The triplets refer to faces of the old data.
                    self.state.plan.discard()

    def _restore(self, checkpoint: Checkpoint) -> None:
        self.feed.discard()
        restore(self.state, checkpoint, len(self._faces.people))
