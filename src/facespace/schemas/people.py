"""Models for the people in the gallery and their faces."""

from typing import Annotated, Any

from pydantic import Field, computed_field

from facespace.schemas.base import AdjustedDistance, Answer, Box, Distance, Number, OfPerson, Probability, Request, Time

Name = Annotated[
    str,
    Field(
        min_length=1, max_length=500, description="Name of a person: any Unicode, not blank.", examples=["Jürgen 张伟"]
    ),
]


class PersonAnswer(OfPerson):
    """A person in the gallery. Ids are never reused."""

    name: str
    faces: Annotated[int, Field(ge=0, description="Number of enrolled faces.")]
    created: Time
    attributes: Annotated[dict[str, Any], Field(description="JSON object stored with the person.")]
    picture: Annotated[
        int | None,
        Field(description="Id of a face of the person with a stored thumbnail (/v1/people/faces/ID/picture), or null."),
    ] = None


class PeopleAnswer(Answer):
    """A page of people, by name."""

    total: Annotated[int, Field(ge=0, description="Total number of people, or of matches if `search` is given.")]
    people: list[PersonAnswer]
    next: Annotated[int | None, Field(description="`offset` of the next page; null on the last page.")] = None


class PersonFace(OfPerson):
    """An enrolled face."""

    face: Annotated[Number, Field(description="Id of the face.")]
    photo: Annotated[str, Field(description="File name of the photo.")]
    box: Box
    quality: Annotated[float | None, Field(description="0 to 1; null if it could not be measured.")]
    created: Time
    has_picture: Annotated[bool, Field(description="Whether a thumbnail is stored (/v1/people/faces/ID/picture).")]
    embedding: Annotated[
        list[float] | None, Field(description="Embedding; null unless `embeddings` is set and the key has that scope.")
    ] = None


class PersonFaces(PersonAnswer):
    """A person and their faces."""

    kept: Annotated[list[PersonFace], Field(description="Faces in the order of their enrolment.")]
    merged: Annotated[list[str], Field(description="Names of people merged into this person; undo restores the last.")]


class SimilarPerson(OfPerson):
    """Another person who looks like the new faces."""

    name: str
    distance: Distance
    adjusted_distance: AdjustedDistance
    probability: Probability


class PhotoReason(Answer):
    """A photo of the request and a remark about it."""

    photo: Annotated[int, Field(ge=0, description="Position in the request, from 0.")]
    name: Annotated[str, Field(description="File name of the photo.")]
    reason: str
    type: Annotated[
        str | None,
        Field(description="Problem type, if the photo was left out.", examples=["urn:facespace:no-face"]),
    ] = None


class EnrolAnswer(Answer):
    """The result of an enrolment."""

    person: PersonAnswer
    added: Annotated[int, Field(ge=0, description="Number of faces added.")]
    failures: Annotated[list[PhotoReason], Field(description="Photos left out, with reasons.")]
    duplicates: Annotated[
        list[PhotoReason], Field(description="Photos left out because the same photo is already enrolled.")
    ]
    doubtful: Annotated[
        list[PhotoReason],
        Field(description="Photos left out because they look like somebody else. `accept_doubtful` enrols them."),
    ]
    outliers: Annotated[list[PhotoReason], Field(description="Photos that were enrolled but look like somebody else.")]
    lookalikes: Annotated[
        list[SimilarPerson],
        Field(
            description="People who look like this person. If they are the same person, merge them: until then, either "
            "name may be given to their photos."
        ),
    ]

    @computed_field(  # type: ignore[prop-decorator]
        description="Deprecated: use `duplicates`.", json_schema_extra={"deprecated": True}
    )
    @property
    def folded(self) -> list[PhotoReason]:
        """Old name of `duplicates`, until the next minor version."""
        return self.duplicates

    @computed_field(  # type: ignore[prop-decorator]
        description="Deprecated: use `lookalikes`.", json_schema_extra={"deprecated": True}
    )
    @property
    def alike(self) -> list[SimilarPerson]:
        """Old name of `lookalikes`, until the next minor version."""
        return self.lookalikes


class ChangePersonRequest(Request):
    """New values for a person: name, attributes or both."""

    name: Name | None = None
    attributes: Annotated[dict[str, Any] | None, Field(description="Replaces the stored attributes.")] = None


class MergeRequest(Request):
    """The person to merge into."""

    into: Annotated[Number, Field(description="Id of the person who gets all faces.")]


class UndoneMerge(Answer):
    """The result of an undone merge."""

    restored: PersonAnswer
    person: PersonAnswer


class MoveFaceRequest(Request):
    """The person to move a face to."""

    to: Annotated[Name, Field(description="Name of the person, who is created if needed.")]


class RemovalAnswer(OfPerson):
    """The result of a deletion."""

    faces: Annotated[int, Field(ge=0)]
    backups: Annotated[int, Field(ge=0, description="Number of earlier backups that still contain the faces.")]


class MapPoint(OfPerson):
    """A person on the map."""

    name: str
    x: Annotated[float, Field(ge=-1, le=1)]
    y: Annotated[float, Field(ge=-1, le=1)]
    faces: Annotated[int, Field(ge=1)]
    picture: Annotated[int | None, Field(description="Id of a face with a stored thumbnail, or null.")] = None


class GalleryMap(Answer):
    """A two-dimensional map of the gallery. People who are close on the map look alike; large distances mean little."""

    points: list[MapPoint]
    total: Annotated[int, Field(ge=0, description="Number of people in the gallery; the map shows at most `limit`.")]
    method: Annotated[str, Field(description="Projection method.", examples=["pca"])]
