"""Models for the service itself: capabilities, health and errors."""

from typing import Annotated

from pydantic import Field

from facespace.schemas.base import Answer


class InvalidField(Answer):
    """An invalid field."""

    field: Annotated[str, Field(description="Location of the field, such as query.top or body.name.")]
    message: str


class Problem(Answer):
    """An error as RFC 9457 problem details (application/problem+json)."""

    type: Annotated[str, Field(description="Problem type.", examples=["urn:facespace:no-face"])]
    title: Annotated[str, Field(description="Short description of the problem type.")]
    status: Annotated[int, Field(ge=400, le=599, description="HTTP status.")]
    detail: Annotated[str, Field(description="What was wrong, where, and what to do.")]
    instance: Annotated[str, Field(description="Id of this request, also in the log and in X-Request-Id.")]
    errors: Annotated[list[InvalidField], Field(default=[], description="Invalid fields, if any.")]


class Limits(Answer):
    """Limits of the service."""

    photo_bytes: Annotated[int, Field(description="Maximum size of a photo.")]
    request_bytes: Annotated[int, Field(description="Maximum size of a request.")]
    cluster_bytes: Annotated[int, Field(description="Maximum size of a clustering request.")]
    pixels: Annotated[int, Field(description="Maximum number of pixels per photo.")]
    faces: Annotated[int, Field(description="Maximum number of faces per photo.")]
    photos: Annotated[int, Field(description="Maximum number of photos per enrolment or clustering request.")]
    seconds: Annotated[float, Field(description="Request timeout; `Prefer: wait=N` sets a shorter one.")]


class ServiceAnswer(Answer):
    """Capabilities of the service and permissions of the caller."""

    version: str
    model: Annotated[str, Field(description="Id of the space: a SHA-256 in hex.")]
    model_name: str
    keys: Annotated[bool, Field(description="Whether requests need an API key.")]
    key: Annotated[str | None, Field(description="Name of the API key of the caller, or null.")]
    scopes: Annotated[list[str], Field(description="Scopes of the caller: verify, read, enrol, admin, ...")]
    gallery: Annotated[bool, Field(description="Whether the service has a gallery.")]
    keeps_pictures: Annotated[bool, Field(description="Whether `keep` can store a thumbnail of each face.")]
    clustering: Annotated[bool, Field(description="Whether photos can be clustered.")]
    fpir: Annotated[float, Field(description="Default maximum false-positive identification rate (FPIR).")]
    fars: Annotated[list[float], Field(description="False accept rates that verification can use.")]
    default_far: Annotated[float, Field(description="Default false accept rate.")]
    limits: Limits


class Health(Answer):
    """Health of the service."""

    status: Annotated[str, Field(description="`ok` if the service is healthy.", examples=["ok"])]
