"""People of the gallery and their faces."""

from typing import Annotated, Any

from pydantic import Field

from facespace.schemas.base import AdjustedDistance, Answer, Box, Distance, Number, Probability, Request, Time

Name = Annotated[
    str, Field(min_length=1, max_length=500, description="Any Unicode, not blank.", examples=["Jürgen 张伟"])
]


class PersonAnswer(Answer):
    """Somebody in the gallery."""

    person: Annotated[Number, Field(description="The gallery's number, never given twice.")]
    name: str
    faces: Annotated[int, Field(ge=0, description="How many are kept.")]
    created: Time
    attributes: Annotated[dict[str, Any], Field(description="Whatever JSON was given for them.")]
    picture: Annotated[
        int | None,
        Field(description="Number of a face of theirs whose picture is kept (/v1/people/faces/N/picture), or null."),
    ] = None


class PeopleAnswer(Answer):
    """People by name, a page at a time."""

    total: Annotated[int, Field(ge=0, description="How many there are (that match, where `search` was given).")]
    people: list[PersonAnswer]
    next: Annotated[int | None, Field(description="`offset` of the next page; null on the last.")] = None


class PersonFace(Answer):
    """A face kept of a person."""

    face: Annotated[Number, Field(description="Its number.")]
    person: Annotated[Number, Field(description="Whose it is.")]
    photo: Annotated[str, Field(description="What it was found in: the name that was uploaded.")]
    box: Box
    quality: Annotated[float | None, Field(description="0 to 1; null where it could not be judged.")]
    created: Time
    has_picture: Annotated[bool, Field(description="Whether /v1/people/faces/N/picture has one.")]
    embedding: Annotated[
        list[float] | None, Field(description="Null unless `embeddings` asks and the key has that scope.")
    ] = None


class PersonFaces(PersonAnswer):
    """A person with their faces."""

    kept: Annotated[list[PersonFace], Field(description="In the order they were enrolled.")]
    merged: Annotated[list[str], Field(description="Names of who was merged into them; undo takes back the last.")]


class SimilarPerson(Answer):
    """Somebody else who looks like the new faces."""

    person: Number
    name: str
    distance: Distance
    adjusted_distance: AdjustedDistance
    probability: Probability


class PhotoReason(Answer):
    """A photo, by its place among those given, and what is to say of it."""

    photo: Annotated[int, Field(ge=0, description="Its place among the photos given, from 0.")]
    name: Annotated[str, Field(description="The name it was uploaded under.")]
    reason: str
    type: Annotated[
        str | None,
        Field(
            description="The kind of problem of a photo left out, as in a problem.", examples=["urn:facespace:no-face"]
        ),
    ] = None


class EnrolAnswer(Answer):
    """What was enrolled, and what should be looked at."""

    person: PersonAnswer
    added: Annotated[int, Field(ge=0, description="How many faces were added.")]
    failures: Annotated[list[PhotoReason], Field(description="Photos left out, and why.")]
    folded: Annotated[list[PhotoReason], Field(description="Photos left out: the same one is there already.")]
    doubtful: Annotated[
        list[PhotoReason],
        Field(description="Photos left out: they look like somebody else; `accept_doubtful` enrols them."),
    ]
    outliers: Annotated[list[PhotoReason], Field(description="Enrolled, but look like somebody else.")]
    alike: Annotated[
        list[SimilarPerson],
        Field(
            description="Others who look the same. If they are the same person, merge them: until then either name "
            "may be given to that person's photos."
        ),
    ]


class ChangePersonRequest(Request):
    """A new name, new attributes, or both."""

    name: Name | None = None
    attributes: Annotated[dict[str, Any] | None, Field(description="In place of those kept.")] = None


class MergeRequest(Request):
    """Who they really are."""

    into: Annotated[Number, Field(description="Number of the person who gets all their faces.")]


class UndoneMerge(Answer):
    """Who is somebody of their own again."""

    restored: PersonAnswer
    person: PersonAnswer


class MoveFaceRequest(Request):
    """Whose a face really is."""

    to: Annotated[Name, Field(description="Name of the person; made if unknown.")]


class RemovalAnswer(Answer):
    """What was deleted for good."""

    person: Number
    faces: Annotated[int, Field(ge=0)]
    backups: Annotated[int, Field(ge=0, description="Backups made before, which still hold them; see the gallery.")]


class MapPoint(Answer):
    """A person on the map."""

    person: Number
    name: str
    x: Annotated[float, Field(ge=-1, le=1)]
    y: Annotated[float, Field(ge=-1, le=1)]
    faces: Annotated[int, Field(ge=1)]
    picture: Annotated[int | None, Field(description="Number of a face whose picture is kept, or null.")] = None


class GalleryMap(Answer):
    """The gallery in two dimensions: near on the map means alike, far means little."""

    points: list[MapPoint]
    total: Annotated[int, Field(ge=0, description="People in the gallery; the map shows at most `limit` of them.")]
    method: Annotated[str, Field(description="How it was projected.", examples=["pca"])]
