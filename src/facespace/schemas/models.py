"""Models for model cards and their curves."""

from typing import Annotated, Any

from pydantic import Field

from facespace.schemas.base import Answer


class ModelSummary(Answer):
    """A model of this service."""

    space: Annotated[str, Field(description="Id of the space: a SHA-256 in hex.")]
    name: str
    version: str
    dimension: Annotated[int, Field(description="Dimension of an embedding.")]
    licence: str
    data_terms: str


class ModelList(Answer):
    """The models of this service, currently one."""

    models: list[ModelSummary]


class ProbabilityPoint(Answer):
    """A point of the curve from squared distance to probability."""

    distance: float
    probability: float


class Distribution(Answer):
    """Histograms of squared distances, each summing to 1.

    Bin i is from edges[i] to edges[i + 1].
    """

    edges: Annotated[list[float], Field(description="Edges of the bins, one more than there are bins.")]
    genuine: Annotated[list[float], Field(description="Share of same-person pairs in each bin.")]
    impostor: Annotated[list[float], Field(description="Share of different-person pairs in each bin.")]


class RocPoint(Answer):
    """VAL and FAR at a threshold (paper section 4.1)."""

    threshold: float
    far: float
    val: float


class ModelAnswer(ModelSummary):
    """A model with its card and the curves derived from it."""

    card: Annotated[dict[str, Any], Field(description="The complete model card.")]
    probability: Annotated[list[ProbabilityPoint], Field(description="Probability by squared distance, from 0 to 4.")]
    distribution: Annotated[
        Distribution | None, Field(description="Histograms of distances; null if the card has none.")
    ]
    roc: Annotated[
        list[RocPoint], Field(description="ROC curve by rising threshold; empty if there is no distribution.")
    ]
