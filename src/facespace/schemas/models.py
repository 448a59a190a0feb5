"""Models and what their cards say."""

from typing import Annotated, Any

from pydantic import Field

from facespace.schemas.base import Answer


class ModelSummary(Answer):
    """A model of this service."""

    space: Annotated[str, Field(description="The space's name, hex sha256.")]
    name: str
    version: str
    dimension: Annotated[int, Field(description="Numbers in an embedding.")]
    licence: str
    data_terms: str


class ModelList(Answer):
    """The models that this service answers with: one today."""

    models: list[ModelSummary]


class ProbabilityPoint(Answer):
    """A point of the curve from squared distance to probability."""

    distance: float
    probability: float


class Distribution(Answer):
    """Histograms of squared distances, each summing to 1.

    Bar i reaches from edges[i] to edges[i + 1].
    """

    edges: Annotated[list[float], Field(description="One more than there are bars.")]
    genuine: Annotated[list[float], Field(description="Share of same-person pairs in each bar.")]
    impostor: Annotated[list[float], Field(description="Share of different-person pairs in each bar.")]


class RocPoint(Answer):
    """VAL and FAR at a threshold (paper section 4.1)."""

    threshold: float
    far: float
    val: float


class ModelAnswer(ModelSummary):
    """A model with its whole card, and the curves that follow from it."""

    card: Annotated[dict[str, Any], Field(description="The model card as it stands in the file.")]
    probability: Annotated[list[ProbabilityPoint], Field(description="From distance 0 to 4; empty without a card's.")]
    distribution: Annotated[
        Distribution | None, Field(description="Null where the card was measured before it kept histograms.")
    ]
    roc: Annotated[list[RocPoint], Field(description="By rising threshold; empty where there is no distribution.")]
