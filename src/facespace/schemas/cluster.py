"""Clustering as a job: photos in, people out, questions to answer."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from facespace.schemas.base import Answer, Box, Number, Probability, Request, Time
from facespace.schemas.people import Name


class JobState(StrEnum):
    """Where a job is."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"


class Job(Answer):
    """A clustering of uploaded photos."""

    job: Annotated[str, Field(description="Its name, not to be guessed.", examples=["c_5yKr0Yw3nqv4Vt8d"])]
    state: JobState
    photos: Annotated[int, Field(ge=0, description="Photos given.")]
    looked_at: Annotated[int, Field(ge=0, description="Photos looked at so far.")]
    faces: Annotated[int, Field(ge=0, description="Faces found; known when it is done.")]
    clusters: Annotated[int, Field(ge=0, description="People found; known when it is done.")]
    reason: Annotated[str | None, Field(description="Why it failed.")] = None
    created: Time
    expires: Annotated[str, Field(description="When all of it is deleted; UTC, ISO 8601.")]


class Jobs(Answer):
    """The caller's jobs, the newest first."""

    jobs: list[Job]


class FailureAnswer(Answer):
    """A photo that could not be used."""

    photo: str
    reason: str


class AlbumFaceAnswer(Answer):
    """A face of a cluster; its picture is at /v1/cluster/JOB/faces/FACE/picture."""

    face: Annotated[Number, Field(description="Its number.")]
    photo: Annotated[str, Field(description="The name it was uploaded under.")]
    box: Box
    membership: Annotated[float, Field(ge=0, le=1, description="Probability that it belongs here; below 0.5: look.")]


class ClusterAnswer(Answer):
    """A person, as far as is known."""

    cluster: Annotated[Number, Field(description="Stays the same however the cluster grows.")]
    name: Annotated[str | None, Field(description="As somebody said; null where nobody did.")]
    cohesion: Annotated[float, Field(ge=0, le=1, description="Probability at the mean distance between its faces.")]
    faces: Annotated[list[AlbumFaceAnswer], Field(description="The most typical first; those to check are last.")]


class ClusterResult(Answer):
    """Who are all these people?"""

    job: Job
    threshold: Annotated[float, Field(description="Squared distance the clusters were cut at.")]
    clusters: Annotated[list[ClusterAnswer], Field(description="Those with most faces first.")]
    failures: list[FailureAnswer]


class Question(Answer):
    """Are these two faces the same person?"""

    a: Annotated[Number, Field(description="Number of a face to show.")]
    b: Annotated[Number, Field(description="Number of a face to show.")]
    clusters: Annotated[tuple[int, int], Field(description="The clusters they are in.")]
    probability: Probability
    gain: Annotated[float, Field(description="Faces that the answer is expected to bring together.")]


class Questions(Answer):
    """What to ask, the most worthwhile first."""

    questions: list[Question]
    total: Annotated[
        int, Field(ge=0, description="How many questions are left; each answer makes it smaller, by one at least.")
    ]


class AnswerRequest(Request):
    """An answer to a question: the same person, or not."""

    a: Annotated[Number, Field(description="Number of a face.")]
    b: Annotated[Number, Field(description="Number of another face.")]
    same: bool


class MergeClustersRequest(Request):
    """Clusters that are one person; the first keeps its number."""

    clusters: Annotated[list[Number], Field(min_length=2, max_length=1000)]


class SplitRequest(Request):
    """Faces of one cluster that are one person, and nobody else of that cluster is."""

    faces: Annotated[list[Number], Field(min_length=1, max_length=1000)]


class MoveFacesRequest(Request):
    """Faces that belong to another cluster."""

    faces: Annotated[list[Number], Field(min_length=1, max_length=1000)]
    cluster: Number


class NameClusterRequest(Request):
    """Who a cluster is."""

    cluster: Number
    name: Name


class UndoRequest(Request):
    """Which decision to take back; the last where null."""

    decision: Number | None = None


class DecisionMade(Answer):
    """A decision was kept."""

    decision: Annotated[Number, Field(description="Its number, to undo it by.")]


class FacePair(Answer):
    """Two faces, and whether they are the same person."""

    a: Annotated[Number, Field(description="Number of a face.")]
    b: Annotated[Number, Field(description="Number of another face.")]
    same: bool


class NamedFace(Answer):
    """The face that stands for a cluster, and the name the cluster was given."""

    face: Number
    name: str


class DecisionAnswer(Answer):
    """Something that was decided."""

    decision: Number
    what: str
    pairs: Annotated[list[FacePair], Field(default=[], description="What it says of pairs of faces.")]
    naming: Annotated[NamedFace | None, Field(description="The name it gives; null where it gives none.")] = None
    made: Time
    undone: Annotated[str | None, Field(description="When it was taken back; null where it stands.")]


class Decisions(Answer):
    """Everything that was ever decided, oldest first."""

    decisions: list[DecisionAnswer]


class EnrolFacesRequest(Request):
    """Faces of a clustering to enrol as one person."""

    faces: Annotated[list[Number], Field(min_length=1, max_length=1000)]
    name: Annotated[Name, Field(description="Somebody of this name who is enrolled already gets the faces added.")]
    keep: Annotated[bool, Field(description="Store the small picture of each face, where the service allows it.")] = (
        False
    )
    accept_doubtful: Annotated[bool, Field(description="Enrol also faces that look like somebody else.")] = False
