"""Run a protocol on a space and compute its metrics."""

import hashlib
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import PurePath

import numpy as np
from numpy.typing import NDArray

from facespace.album import cut_of
from facespace.clustering import arrange
from facespace.errors import DataError, ModelError
from facespace.evaluate.answers import AtThreshold, Evaluation, SearchResult
from facespace.evaluate.breakdown import Column, breakdowns, photo_columns
from facespace.evaluate.cache import EmbeddingCache
from facespace.evaluate.embedding import EmbeddedPhotos, Preparation, embed_photos
from facespace.evaluate.metrics import (
    FARS,
    Pairs,
    VerificationFigures,
    grouping,
    identification,
    judge,
    leave_one_out_rank1,
    reliability,
    score,
    search,
    templates_of,
    verification,
)
from facespace.evaluate.metrics.intervals import ROUNDS
from facespace.evaluate.metrics.rates import rate
from facespace.evaluate.protocols import Protocol
from facespace.gallery import FPIR, nearest_others
from facespace.metric import Impostors, open_set_far
from facespace.space import Space


def evaluate(
    space: Space,
    protocol: Protocol,
    preparation: Preparation | None = None,
    cache: EmbeddingCache | None = None,
    columns: list[Column] | None = None,
    fars: tuple[float, ...] = FARS,
    seed: int = 0,
    rounds: int = ROUNDS,
    on_progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Evaluate a space by a protocol.

    Parameters
    ----------
    space : Space
    protocol : Protocol
        See `facespace.evaluate.protocols`.
    preparation : Preparation or None
        How the face is taken from a photo; None uses the defaults.
    cache : EmbeddingCache or None
        Cache of embeddings.
    columns : list of Column or None
        Additional properties to break the error rates down by.
    fars : tuple of float
        False accept rates at which to report VAL, as far as there are enough pairs.
    seed, rounds : int
        Random seed of folds and bootstrap, and number of bootstrap rounds.
    on_progress : callable or None
        Called with the number of embedded photos and the total.

    Raises
    ------
    DataError
        There are too few people or photos, or no photo can be used.
    """
    started = time.perf_counter()
    prepare = replace(preparation or Preparation(), central=protocol.central)
    faces = embed_photos(space, protocol.photos, protocol.names, prepare, cache, on_progress)
    embedded = time.perf_counter()
    result = Evaluation(protocol, space, faces, notes=_notes(space, protocol, faces))
    if protocol.verify is not None:
        result = _verify(result, columns or [], fars, seed, rounds)
    if protocol.search is not None:
        result = _search(result, seed, rounds)
    if protocol.cluster:
        result = _cluster(result)
    return replace(result, embed_seconds=embedded - started, seconds=time.perf_counter() - started)


def verify_embeddings(
    protocol: Protocol,
    embeddings: NDArray[np.float32],
    present: NDArray[np.bool_] | None = None,
    fars: tuple[float, ...] = FARS,
    seed: int = 0,
    rounds: int = ROUNDS,
) -> VerificationFigures:
    """Compute the verification metrics of a protocol for embeddings from any source, such as another library.

    Parameters
    ----------
    protocol : Protocol
        A protocol with verification.
    embeddings : float32, shape (n, d), L2 norm 1
        One row for each of `protocol.names`.
    present : bool, shape (n,), or None
        Mask of the photos with a face; None for all.
    fars, seed, rounds : see `evaluate`

    Raises
    ------
    DataError
        There are too few people or photos.
    """
    trials = protocol.verify
    if trials is None:
        raise DataError(f"the protocol {protocol.name!r} has no verification")
    had = np.ones(len(embeddings), bool) if present is None else present
    if trials.pairs is None or trials.fold is None:
        return verification(embeddings[had], protocol.labels[had], fars, seed=seed, rounds=rounds)
    _require_both_kinds(protocol, trials.pairs, had)
    scored = score(embeddings, protocol.labels, trials.pairs, had)
    tested = [int(number) for number in np.unique(trials.fold) if number >= 0]
    return judge(scored, trials.pairs, (trials.fold, trials.fold), tested, fars, seed=seed, rounds=rounds)


def _require_both_kinds(protocol: Protocol, pairs: Pairs, had: NDArray[np.bool_]) -> None:
    """Raise DataError if no genuine or no impostor pair has both its faces."""
    faces = had[pairs.a] & had[pairs.b]
    for kind, of_kind in (("same-person", pairs.same), ("different-person", ~pairs.same)):
        if of_kind.any() and not faces[of_kind].any():
            lacking = np.concatenate([pairs.a[of_kind], pairs.b[of_kind]])
            absent = protocol.names[lacking[~had[lacking]][0]]
            raise DataError(
                f"none of the {int(of_kind.sum()):,} {kind} pairs can be compared, because each has a photo that is "
                f"missing, unreadable or without a face; the first is {absent} ({protocol.photos.where}). Check "
                "the names in the list of pairs"
            )


def _verify(result: Evaluation, columns: list[Column], fars: tuple[float, ...], seed: int, rounds: int) -> Evaluation:
    faces, protocol, card = result.faces, result.protocol, result.space.card
    assert protocol.verify is not None
    figures = verify_embeddings(protocol, faces.embeddings, faces.present, fars, seed, rounds)
    if protocol.verify.pairs is None:
        # The indices of all pairs refer to the photos with a face only.
        had = np.flatnonzero(faces.present)
        figures = replace(figures, pairs=replace(figures.pairs, a=had[figures.pairs.a], b=had[figures.pairs.b]))
    notes = result.notes
    if figures.not_judged:
        numbers = ", ".join(str(number + 1) for number in figures.not_judged)
        notes = (
            *notes,
            f"no accuracy for fold {numbers} of {len(figures.folds) + len(figures.not_judged)}, which needs "
            "same-person and different-person pairs inside and outside the fold; its pairs count in all other figures",
        )
    thresholds: tuple[AtThreshold, ...] = ()
    reliable = None
    if card.decisions is not None:
        scored = figures.scored
        genuine, impostor = (scored[np.flatnonzero(kind)] for kind in (scored.same, ~scored.same))
        thresholds = tuple(
            AtThreshold(
                far,
                card.threshold(far),
                rate(impostor, impostor.distances <= card.threshold(far), min(rounds, 200), seed),
                rate(genuine, genuine.distances > card.threshold(far), min(rounds, 200), seed),
            )
            for far in card.decisions.fars
        )
        finite = np.isfinite(scored.distances)
        reliable = reliability(result.space.probability(scored.distances[finite]), scored.same[finite])
    return replace(
        result,
        notes=notes,
        verification=figures,
        at_thresholds=thresholds,
        reliability=reliable,
        breakdowns=breakdowns(figures, [*photo_columns(faces), *columns]),
    )


def _search(result: Evaluation, seed: int, rounds: int) -> Evaluation:
    faces, trials, card = result.faces, result.protocol.search, result.space.card
    assert trials is not None
    threshold, comparable = None, None
    if card.decisions is not None:
        impostors = card.impostors()
        comparable = impostors.comparable
        kept = trials.gallery[faces.present[trials.gallery]]
        threshold = _as_a_gallery(faces.embeddings[kept], result.protocol.labels[kept], impostors)
    searches = search(
        faces.embeddings, result.protocol.labels, trials.gallery, trials.probes, faces.present, comparable
    )
    figures = identification(searches, threshold, rounds=rounds, seed=seed)
    return replace(result, search=SearchResult(trials.gallery, trials.probes, searches, figures, threshold))


def _as_a_gallery(points: NDArray[np.float32], people: NDArray[np.int64], impostors: Impostors) -> float:
    """Return the threshold that a gallery of these faces would use, given how similar its people are."""
    enrolled, first = np.unique(people, return_index=True)
    nearest = np.empty(0)
    if len(enrolled) > 1:
        templates, photos, lengths = templates_of(points, people)
        nearest = nearest_others(points[first], np.arange(len(enrolled)), templates, photos, lengths, impostors)
    return float(impostors.threshold(open_set_far(FPIR, len(enrolled), impostors, nearest)))


def _cluster(result: Evaluation) -> Evaluation:
    faces, labels = result.faces, result.protocol.labels
    had = np.flatnonzero(faces.present)
    points, truth = faces.embeddings[had], labels[had]
    result = replace(result, rank1=leave_one_out_rank1(points, truth))
    decisions = result.space.card.decisions
    if decisions is None:
        return result
    try:
        cut = cut_of(decisions)
    except ModelError as error:
        return replace(result, notes=(*result.notes, f"the photos were not clustered: {error}"))
    arranged = arrange(points, cut)
    return replace(
        result, grouped=had, groups=arranged.labels, cut=arranged.cut, grouping=grouping(truth, arranged.labels)
    )


def _notes(space: Space, protocol: Protocol, faces: EmbeddedPhotos) -> tuple[str, ...]:
    notes = list(protocol.notes)
    for how, what in (
        ("missing", "are missing"),
        ("unreadable", "cannot be read"),
        ("no face", "have no detected face"),
    ):
        count = faces.how.count(how)
        if count:
            counted = "are left out" if protocol.verify is not None and protocol.verify.pairs is None else "never match"
            notes.append(f"{count:,} of {len(faces.names):,} photos {what}; they {counted}")
    centred = faces.how.count("centre-crop")
    if centred:
        notes.append(f"no face was found in {centred:,} of {len(faces.names):,} photos; the fixed centre crop was used")
    decisions = space.card.decisions
    if decisions is None:
        notes.append("the model card has no thresholds, so probabilities, decisions and clustering were not evaluated")
    elif fingerprint(protocol) in decisions.data:
        notes.append("the card's thresholds were measured on these same people, so results at them are optimistic")
    return tuple(notes)


def data_name(protocol: Protocol) -> str:
    """Describe the people of a protocol for the card: their number, their source and a fingerprint."""
    people = len(np.unique(protocol.labels))
    return f"{people:,} people of {PurePath(protocol.photos.where).name} [{fingerprint(protocol)}]"


def fingerprint(protocol: Protocol) -> str:
    """Return eight hex digits that identify the names of the photos, independent of their order and folder."""
    return fingerprint_of(protocol.names)


def fingerprint_of(names: Iterable[str]) -> str:
    """Return the fingerprint of photo names; see `fingerprint`."""
    return hashlib.sha256("\n".join(sorted(names)).encode("utf-8", "surrogateescape")).hexdigest()[:8]
