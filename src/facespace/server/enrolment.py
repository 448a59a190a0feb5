"""Enrolment requests and answers: the same checks of fields for forms and for JSON, one answer for all routes."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from facespace.errors import GalleryError
from facespace.gallery import MIN_QUALITY, Enrolment, Gallery, NotEnrolledError, Person
from facespace.gallery.names import as_attributes, clean_name
from facespace.schemas import EnrolAnswer, InvalidField, PersonAnswer, SimilarPerson
from facespace.schemas.people import Name, PhotoReason
from facespace.server.problems import ProblemError, invalid_fields
from facespace.space import Failure


def _attributes(value: Any) -> Mapping[str, Any] | None:
    """Parse attributes from JSON text (a form) or from a JSON value. Raises ValueError if they cannot be stored."""
    if value is None:
        return None
    try:
        # This also rejects JSON that no database can store: infinite numbers and lone surrogates.
        return as_attributes(value if isinstance(value, str) else json.dumps(value, allow_nan=False))
    except (GalleryError, ValueError) as error:
        raise ValueError(str(error)) from None


class _Fields(BaseModel):
    model_config = ConfigDict(allow_inf_nan=False)

    name: Name
    attributes: Annotated[dict[str, Any] | None, BeforeValidator(_attributes)] = None
    min_quality: Annotated[float, Field(ge=0, le=1, validation_alias=AliasChoices("min_quality", "least_quality"))] = (
        MIN_QUALITY
    )
    keep: bool = False
    face: Annotated[int | None, Field(ge=1)] = None
    accept_doubtful: bool = False


@dataclass(frozen=True)
class EnrolFields:
    """The fields of an enrolment request, as `Gallery.enrol` takes them."""

    name: str
    attributes: dict[str, Any] | None
    min_quality: float
    keep: bool
    face: int | None
    accept_doubtful: bool


# Names of the fields, in the order of the documentation.
NAMES = (*_Fields.model_fields, "least_quality")


def enrol_fields(values: Mapping[str, Any], photos: int) -> EnrolFields:
    """Validate the fields of a request with this number of photos.

    Raises
    ------
    ProblemError
        A field is missing or invalid; `errors` names each of them.
    """
    try:
        fields = _Fields.model_validate(dict(values))
    except ValidationError as error:
        raise invalid_fields(error.errors(), "body") from None
    if fields.face is not None and photos > 1:
        raise ProblemError(
            "invalid",
            f"body.face: needs a request with one photo, but {photos} photos were sent; send that photo alone",
        )
    return EnrolFields(
        cleaned(fields.name),
        fields.attributes,
        fields.min_quality,
        fields.keep,
        fields.face,
        fields.accept_doubtful,
    )


@contextmanager
def explaining(photos: Sequence[object]) -> Iterator[None]:
    """If none of the photos can be enrolled, report the reason for each. The problem has their common kind, if any."""
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
        raise ProblemError(common or "not-enrolled", str(error), errors=reasons) from None


def kind_of(failure: Failure) -> str | None:
    """Return the problem type of a photo that was left out."""
    return failure.kind and f"urn:facespace:{failure.kind}"


def cleaned(name: str) -> str:
    """Return a name as the gallery stores it. Raises if it is blank."""
    try:
        return clean_name(name)
    except GalleryError as error:
        raise ProblemError("invalid", str(error)) from None


def person_answer(person: Person, pictures: Mapping[int, int]) -> PersonAnswer:
    """A person of the gallery as an answer; `pictures` has the face that shows each person."""
    return PersonAnswer(
        person_id=person.id,
        name=person.name,
        faces=person.faces,
        created=person.created,
        attributes=dict(person.attributes),
        picture=pictures.get(person.id),
    )


def enrol_answer(gallery: Gallery, done: Enrolment, reason: Callable[[Failure], PhotoReason]) -> EnrolAnswer:
    """The result of an enrolment as an answer; `reason` says which photo of the request a failure is about."""
    person = gallery.store.find(done.name)
    return EnrolAnswer(
        person=person_answer(person, gallery.pictured([person.id])),
        added=done.faces,
        failures=[reason(failure) for failure in done.failures],
        duplicates=[reason(failure) for failure in done.duplicates],
        doubtful=[reason(failure) for failure in done.doubtful],
        outliers=[reason(failure) for failure in done.outliers],
        lookalikes=[
            SimilarPerson(
                person_id=other.person_id,
                name=other.name,
                distance=other.distance,
                adjusted_distance=other.adjusted_distance,
                probability=other.probability,
            )
            for other in done.lookalikes
        ],
    )
