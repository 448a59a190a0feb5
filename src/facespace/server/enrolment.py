"""What a request to enrol says beside its photos: the same checks for a form's strings and for JSON's values."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from facespace.errors import GalleryError
from facespace.gallery import LEAST_QUALITY, NotEnrolledError
from facespace.gallery import gallery as galleries
from facespace.schemas import InvalidField
from facespace.schemas.people import Name
from facespace.server.problems import Refusal, invalid_fields
from facespace.space import Failure


def _attributes(value: Any) -> Mapping[str, Any] | None:
    """Attributes from a form's JSON text, or from JSON itself; ValueError where they cannot be kept."""
    if value is None:
        return None
    try:
        # Also what JSON can say and no database keeps: numbers without end, half a character.
        return galleries.as_attributes(value if isinstance(value, str) else json.dumps(value, allow_nan=False))
    except (GalleryError, ValueError) as error:
        raise ValueError(str(error)) from None


class _Fields(BaseModel):
    model_config = ConfigDict(allow_inf_nan=False)

    name: Name
    attributes: Annotated[dict[str, Any] | None, BeforeValidator(_attributes)] = None
    least_quality: Annotated[float, Field(ge=0, le=1)] = LEAST_QUALITY
    keep: bool = False
    face: Annotated[int | None, Field(ge=1)] = None
    accept_doubtful: bool = False


@dataclass(frozen=True)
class EnrolFields:
    """The fields of a request to enrol, as `Gallery.enrol` takes them."""

    name: str
    attributes: dict[str, Any] | None
    least_quality: float
    keep: bool
    face: int | None
    accept_doubtful: bool


# In the order in which a form may have them.
NAMES = tuple(_Fields.model_fields)


def enrol_fields(values: Mapping[str, Any], photos: int) -> EnrolFields:
    """Check what a request says beside its photos, of which it has so many.

    Raises
    ------
    Refusal
        A field is missing or not as it must be; `errors` names each.
    """
    try:
        fields = _Fields.model_validate(dict(values))
    except ValidationError as error:
        raise invalid_fields(error.errors(), "body") from None
    if fields.face is not None and photos > 1:
        raise Refusal(
            "invalid", f"body.face: chooses a face of one photo, and {photos} photos were sent; send it alone"
        )
    return EnrolFields(
        cleaned(fields.name),
        fields.attributes,
        fields.least_quality,
        fields.keep,
        fields.face,
        fields.accept_doubtful,
    )


@contextmanager
def explaining(photos: Sequence[object]) -> Iterator[None]:
    """Say of each of these photos why it cannot be enrolled, where none can; the problem is of their common kind."""
    try:
        yield
    except NotEnrolledError as error:
        place = {id(photo): number for number, photo in enumerate(photos)}
        kinds = {failure.kind for failure in error.failures}
        common = next(iter(kinds)) if len(kinds) == 1 else None
        reasons = [
            InvalidField(field=f"body.photos.{place[id(failure.photo)]}", message=failure.reason)
            for failure in error.failures
        ]
        raise Refusal(common or "not-enrolled", str(error), errors=reasons) from None


def kind_of(failure: Failure) -> str | None:
    """The kind of problem that a photo left out is."""
    return failure.kind and f"urn:facespace:{failure.kind}"


def cleaned(name: str) -> str:
    """A name as the gallery keeps it; refused where it is blank."""
    try:
        return galleries.clean_name(name)
    except GalleryError as error:
        raise Refusal("invalid", str(error)) from None
