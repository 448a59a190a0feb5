"""Base classes and types shared by all models."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, computed_field


class Answer(BaseModel):
    """Base of responses. Clients must ignore unknown fields: new fields may be added."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)


class Request(BaseModel):
    """Base of requests. An unknown field is an error, not ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


Box = Annotated[
    tuple[float, float, float, float],
    Field(
        description="Left, top, right, bottom, in pixels of the upright photo. A box may extend beyond the photo.",
        examples=[[10, 20, 90, 120]],
    ),
]
Distance = Annotated[
    float, Field(ge=0, le=4.001, description="Squared Euclidean distance between embeddings, 0 to 4.", examples=[0.61])
]
AdjustedDistance = Annotated[
    float,
    Field(
        ge=0,
        description="The distance, adjusted for the number of photos of the person. Candidates are ranked by it and "
        "compared with the threshold.",
        examples=[0.72],
    ),
]
Probability = Annotated[
    float, Field(ge=0, le=1, description="Probability that they are the same person, for even prior odds.")
]
# The maximum is the largest integer that both SQLite and PostgreSQL can store.
Number = Annotated[int, Field(ge=1, le=2**63 - 1)]
PersonId = Annotated[Number, Field(description="Id of the person.")]
Time = Annotated[str, Field(description="UTC, ISO 8601.", examples=["2026-01-31T12:00:00+00:00"])]


class OfPerson(Answer):
    """Base of responses about a person, with the old name of the id."""

    person_id: PersonId

    @computed_field(  # type: ignore[prop-decorator]
        description="Deprecated: use `person_id`.", json_schema_extra={"deprecated": True}
    )
    @property
    def person(self) -> int:
        """Old name of `person_id`, until the next minor version."""
        return self.person_id
