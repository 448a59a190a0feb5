"""The result of an evaluation."""

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
    """The error rates of a threshold of the model card on these pairs.

    far, threshold : from the card
    fmr, fnmr : false match rate and false non-match rate measured here
    """

    far: float
    threshold: float
    fmr: Interval
    fnmr: Interval


@dataclass(frozen=True)
class SearchResult:
    """Searches of a gallery.

    gallery, probes : indices of photos
    searches : the result of each search
    figures : identification metrics
    threshold : squared distance that a gallery of this size uses, or None without thresholds in the card
    """

    gallery: NDArray[np.int64]
    probes: NDArray[np.int64]
    searches: Searches
    figures: IdentificationFigures
    threshold: float | None


@dataclass(frozen=True)
class Evaluation:
    """The results of a space on a protocol; parts that the protocol does not include are None.

    faces : the embedded photos
    verification : verification metrics
    at_thresholds, reliability : error rates at the card's thresholds, and calibration; need thresholds in the card
    breakdowns : both error rates by property
    search : searches of a gallery
    rank1 : rank-1 rate with each photo searched among all others
    grouped : int64, shape (k,), indices of the clustered photos
    groups : int64, shape (k,), the cluster of each of them
    grouping : clustering metrics
    cut : squared distance of the clustering cut, adapted to these photos as in `facespace.cluster`
    strangers : false match rates within groups, if a table of groups was given
    notes : remarks needed to interpret the figures
    embed_seconds, seconds : time to embed, and total time
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
        """The photos without a usable face."""
        return self.faces.failures
