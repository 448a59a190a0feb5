"""A complete evaluation from files, for the command line: models, protocol, cache, card."""

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

import numpy as np

from facespace.errors import DataError
from facespace.evaluate.answers import Evaluation
from facespace.evaluate.breakdown import Column, read_columns
from facespace.evaluate.cache import EmbeddingCache
from facespace.evaluate.decisions import decide, groups_card, with_groups
from facespace.evaluate.embedding import NoFace, Preparation, embed_photos
from facespace.evaluate.evaluation import data_name, evaluate
from facespace.evaluate.grouped_photos import GroupTable, embed_groups
from facespace.evaluate.groups import GroupedFaces, GroupFigures, measure_groups
from facespace.evaluate.landmarks import read_landmarks
from facespace.evaluate.metrics import Difference, VerificationFigures, compare
from facespace.evaluate.protocols import Protocol
from facespace.evaluate.sweep import Sweep, sweep_faces, sweep_models
from facespace.model import read_model, write_model
from facespace.space import Space, load

Progress = Callable[[int, int], None]


class Session:
    """A protocol and its settings, to evaluate any number of models with.

    Parameters
    ----------
    protocol : Protocol or None
        None to measure only within groups.
    landmarks : path or None
        CSV file of landmarks to use instead of a detector.
    detector : str or None
        Detector to use instead of the card's.
    no_face : 'centre-crop' or 'failure'
    columns : path or None
        CSV file of properties to break error rates down by.
    cached : bool
        Whether to cache embeddings.
    seed : int
    groups : GroupTable or None
        People by group, to measure false match rates within groups.
    by : column titles or None
        See `measure_groups`.
    provider, threads
        See `facespace.load`.
    """

    def __init__(
        self,
        protocol: Protocol | None,
        landmarks: str | os.PathLike[str] | None = None,
        detector: str | None = None,
        no_face: NoFace = "centre-crop",
        columns: str | os.PathLike[str] | None = None,
        cached: bool = True,
        seed: int = 0,
        provider: str | None = None,
        threads: int | None = None,
        groups: GroupTable | None = None,
        by: Sequence[Sequence[str]] | None = None,
    ):
        self._protocol, self._groups, self._by = protocol, groups, by
        self._preparation = Preparation(
            no_face, protocol is not None and protocol.central, None if landmarks is None else read_landmarks(landmarks)
        )
        self._columns: list[Column] = [] if columns is None else read_columns(columns, self.protocol)
        self._detector, self._cached, self._seed = detector, cached, seed
        self._provider, self._threads = provider, threads

    @property
    def protocol(self) -> Protocol:
        """The protocol; raises DataError if there is none."""
        if self._protocol is None:
            raise DataError("this needs photos of people: --images FOLDER, or a zip file")
        return self._protocol

    def measure_groups(
        self, model: str | os.PathLike[str], on_progress: Progress | None = None
    ) -> tuple[GroupFigures, tuple[str, ...]]:
        """Measure only within groups; also returns notes about photos that were left out."""
        space = self._space(model)
        faces, notes = self._strangers(space, on_progress)
        return self._measured(space, faces, None), notes

    def write_groups(self, model: str | os.PathLike[str], on_progress: Progress | None = None) -> None:
        """Measure within groups, and write the result to the card of a model that already has thresholds.

        Raises
        ------
        DataError
            The card has no thresholds.
        """
        read = read_model(model)
        if read.card.decisions is None:
            raise DataError(
                f"the card of {model} has no thresholds yet; measure them together with the groups, on people with "
                "several photos each: --images FOLDER --groups TABLE --write-card"
            )
        figures, _ = self.measure_groups(model, on_progress)
        decisions = with_groups(read.card.decisions, groups_card(figures))
        write_model(model, read.onnx, read.card.model_copy(update={"decisions": decisions}))

    def evaluate(
        self,
        model: str | os.PathLike[str],
        against: Sequence[str | os.PathLike[str]] = (),
        on_progress: Progress | None = None,
    ) -> tuple[Evaluation, list[Difference]]:
        """Evaluate a model; with a second model in `against`, also return the differences on the same pairs."""
        if len(against) > 1:
            raise DataError("a model can be compared with only one other model")
        first = self._evaluate(model, on_progress)
        if not against:
            return first, []
        second = self._evaluate(against[0], on_progress)
        if first.verification is None or second.verification is None:
            raise DataError(f"models are compared on pairs, but the protocol {self.protocol.name!r} has none")
        return first, compare(first.verification, second.verification)

    def write_card(self, model: str | os.PathLike[str], on_progress: Progress | None = None) -> None:
        """Measure thresholds, calibration and clustering cut on the protocol's people, and write them to the card.

        Raises
        ------
        DataError
            There are too few people, or the protocol is reserved for final results.
        """
        if self.protocol.name in ("lfw", "bin"):
            raise DataError(
                f"{self.protocol.name} is for final results, which would be too good with thresholds chosen on the "
                "same people; measure thresholds on other people: --images FOLDER --write-card"
            )
        space = self._space(model)
        with self._cache(space) as cache:
            faces = embed_photos(
                space, self.protocol.photos, self.protocol.names, self._preparation, cache, on_progress
            )
        had = faces.present
        decisions = decide(
            faces.embeddings[had],
            self.protocol.labels[had],
            data_name(self.protocol),
            self._seed,
            None if self._groups is None else self._strangers(space, on_progress)[0],
            self._by,
        )
        read = read_model(model)
        write_model(model, read.onnx, read.card.model_copy(update={"decisions": decisions}))

    def sweep(self, what: str, models: Sequence[str | os.PathLike[str]], on_progress: Progress | None = None) -> Sweep:
        """Measure VAL against a property of the faces (one model) or of the models (two or more)."""
        if what in ("dim", "data"):
            spaces = [self._space(model) for model in models]
            return sweep_models(what, self.protocol, spaces, self._preparation, self._cache, self._seed, on_progress)
        if len(models) > 1:
            raise DataError(f"the sweep {what!r} takes only one model; remove the others")
        space = self._space(models[0])
        with self._cache(space) as cache:
            return sweep_faces(what, self.protocol, space, self._preparation, cache, self._seed, on_progress)

    def _evaluate(self, model: str | os.PathLike[str], on_progress: Progress | None) -> Evaluation:
        space = self._space(model)
        with self._cache(space) as cache:
            found = evaluate(
                space, self.protocol, self._preparation, cache, self._columns, seed=self._seed, on_progress=on_progress
            )
        if self._groups is None:
            return found
        faces, notes = self._strangers(space, on_progress)
        figures = self._measured(space, faces, found.verification)
        return replace(found, strangers=figures, notes=(*found.notes, *notes))

    def _strangers(self, space: Space, on_progress: Progress | None) -> tuple[GroupedFaces, tuple[str, ...]]:
        if self._groups is None:
            raise DataError("there are no groups to measure; give a table with --groups TABLE")
        with self._cache(space) as cache:
            return embed_groups(space, self._groups, Preparation(), cache, on_progress)

    def _measured(self, space: Space, faces: GroupedFaces, found: VerificationFigures | None) -> GroupFigures:
        genuine = None if found is None else found.scored[np.flatnonzero(found.scored.same)]
        decisions = space.card.decisions
        if decisions is None:
            return measure_groups(faces, self._by, genuine, seed=self._seed)
        average = {entry.far: entry.threshold for entry in decisions.thresholds}
        calibration = space.card.calibration()
        return measure_groups(faces, self._by, genuine, average, decisions.default_far, calibration, self._seed)

    def _space(self, model: str | os.PathLike[str]) -> Space:
        return load(model, provider=self._provider, threads=self._threads, detector=self._detector)

    def _cache(self, space: Space) -> AbstractContextManager[EmbeddingCache | None]:
        return EmbeddingCache(space.id) if self._cached else nullcontext()
