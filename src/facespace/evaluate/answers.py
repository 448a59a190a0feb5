"""What an evaluation found, part by part."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from facespace.evaluate.breakdown import Breakdown
from facespace.evaluate.embedding import EmbeddedPhotos, PhotoFailure
from facespace.evaluate.groups import GroupFigures
from facespace.evaluate.metrics import (
    GroupingFigures,
    IdentificationFigures,
    Interval,
    Reliability,
    Searches,
    VerificationFigures,
)
from facespace.evaluate.protocols import Protocol
from facespace.space import Space


@dataclass(frozen=True)
class AtThreshold:
    """What a threshold of the model card does on these pairs.

    far, threshold : as the card has them
    fmr, fnmr : false match and false non-match rate as measured here
    """

    far: float
    threshold: float
    fmr: Interval
    fnmr: Interval


@dataclass(frozen=True)
class SearchResult:
    """Searches of a gallery: the probes as indices of photos, what each found, the figures, the
    threshold that a gallery of this size takes."""

    gallery: NDArray[np.int64]
    probes: NDArray[np.int64]
    searches: Searches
    figures: IdentificationFigures
    threshold: float | None


@dataclass(frozen=True)
class Evaluation:
    """What a space answers to a protocol; a part that the protocol does not ask for is None.

    faces : the photos as embedded
    verification, at_thresholds, reliability : of pairs; the latter two where the card says what a distance means
    breakdowns : both errors by property
    search : of a gallery
    rank1 : each photo searched among all the others
    groups, grouping : int64, shape (k,), the group of each photo of `grouped` (indices), and how good they are
    strangers : within groups, where a table of groups was given
    cut : the squared distance that the groups were cut at, adapted to these photos as `facespace.cluster` does
    notes : what a reader of the figures must know
    embed_seconds, seconds : of embedding, and in all
    extra : further figures, such as train_seconds
    """

    protocol: Protocol
    space: Space
    faces: EmbeddedPhotos
    verification: VerificationFigures | None = None
    at_thresholds: tuple[AtThreshold, ...] = ()
    reliability: Reliability | None = None
    breakdowns: tuple[Breakdown, ...] = ()
    search: SearchResult | None = None
    rank1: Interval | None = None
    grouped: NDArray[np.int64] | None = None
    groups: NDArray[np.int64] | None = None
    grouping: GroupingFigures | None = None
    cut: float | None = None
    strangers: GroupFigures | None = None
    notes: tuple[str, ...] = ()
    embed_seconds: float = 0.0
    seconds: float = 0.0
    extra: dict[str, float] = field(default_factory=dict)

    @property
    def failures(self) -> tuple[PhotoFailure, ...]:
        """The photos whose face could not be had."""
        return self.faces.failures
