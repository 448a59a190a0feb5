"""The service itself: what it can do, whether it is well, what went wrong."""

from typing import Annotated

from pydantic import Field

from facespace.schemas.base import Answer


class InvalidField(Answer):
    """A field that is not as it must be."""

    field: Annotated[str, Field(description="Where it stands, such as query.top or body.name.")]
    message: str


class Problem(Answer):
    """What went wrong, as RFC 9457 has it (application/problem+json)."""

    type: Annotated[str, Field(description="Names the kind of problem.", examples=["urn:facespace:no-face"])]
    title: Annotated[str, Field(description="The kind of problem in words.")]
    status: Annotated[int, Field(ge=400, le=599, description="The HTTP status.")]
    detail: Annotated[str, Field(description="What was wrong, where, and what to do.")]
    instance: Annotated[str, Field(description="Names this request; also in the log and in X-Request-Id.")]
    errors: Annotated[list[InvalidField], Field(default=[], description="Each field that is wrong, where some are.")]


class Limits(Answer):
    """The most that is taken."""

    photo_bytes: int
    request_bytes: int
    cluster_bytes: Annotated[int, Field(description="Of one request to cluster.")]
    pixels: Annotated[int, Field(description="Of one photo.")]
    faces: Annotated[int, Field(description="Of one photo.")]
    photos: Annotated[int, Field(description="Of one request to enrol or to cluster.")]
    seconds: Annotated[float, Field(description="Until a request is given up; `Prefer: wait=N` asks for less.")]


class ServiceAnswer(Answer):
    """What this service is and what the caller may do."""

    version: str
    model: Annotated[str, Field(description="The space's name, hex sha256.")]
    model_name: str
    keys: Annotated[bool, Field(description="Whether calls need an API key.")]
    key: Annotated[str | None, Field(description="Name of the caller's key; null without one.")]
    scopes: Annotated[list[str], Field(description="What the caller may do: verify, read, enrol, admin, ...")]
    gallery: Annotated[bool, Field(description="Whether there is a gallery; without one, only photos are compared.")]
    keeps_pictures: Annotated[bool, Field(description="Whether `keep` may ask to store a picture of each face.")]
    clustering: Annotated[bool, Field(description="Whether photos can be clustered here.")]
    fpir: Annotated[float, Field(description="Where none is asked for.")]
    fars: Annotated[list[float], Field(description="False accept rates that verify can decide at.")]
    default_far: float
    limits: Limits


class Health(Answer):
    """How the service is."""

    status: Annotated[str, Field(description="ok, or what it waits for.", examples=["ok"])]
