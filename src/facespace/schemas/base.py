"""What all records have in common."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class Answer(BaseModel):
    """Something the service says. A client passes over fields that it does not know: answers may gain some."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)


class Request(BaseModel):
    """Something the service is told. A key it does not know is an error, not a choice passed over."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


Box = Annotated[
    tuple[float, float, float, float],
    Field(
        description="Left, top, right, bottom in pixels of the upright photo; may leave it.",
        examples=[[10, 20, 90, 120]],
    ),
]
Distance = Annotated[float, Field(ge=0, le=4.001, description="Squared Euclidean distance, 0 to 4.", examples=[0.61])]
AdjustedDistance = Annotated[
    float,
    Field(
        ge=0,
        description="The distance as if the person had a single photo: what people are ranked by, and what is compared "
        "with the threshold.",
        examples=[0.72],
    ),
]
Probability = Annotated[float, Field(ge=0, le=1, description="That they are the same person, for even prior odds.")]
# The largest number that SQLite and PostgreSQL both take.
Number = Annotated[int, Field(ge=1, le=2**63 - 1)]
Time = Annotated[str, Field(description="UTC, ISO 8601.", examples=["2026-01-31T12:00:00+00:00"])]
