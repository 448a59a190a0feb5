"""Models for clustering jobs: results, questions and decisions."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from facespace.schemas.base import Answer, Box, Number, Probability, Request, Time
from facespace.schemas.people import Name


class JobState(StrEnum):
    """The state of a job."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"


class Job(Answer):
    """A job that clusters uploaded photos."""

    job: Annotated[str, Field(description="Unguessable name of the job.", examples=["c_5yKr0Yw3nqv4Vt8d"])]
    state: JobState
    photos: Annotated[int, Field(ge=0, description="Number of photos.")]
    looked_at: Annotated[int, Field(ge=0, description="Number of photos processed so far.")]
    faces: Annotated[int, Field(ge=0, description="Number of faces found; set when the job is done.")]
    clusters: Annotated[int, Field(ge=0, description="Number of people found; set when the job is done.")]
    reason: Annotated[str | None, Field(description="Reason of a failure.")] = None
    created: Time
    expires: Annotated[str, Field(description="When the job is deleted; UTC, ISO 8601.")]


class Jobs(Answer):
    """The jobs of the caller, newest first."""

    jobs: list[Job]


class FailureAnswer(Answer):
    """A photo that could not be used."""

    photo: str
    reason: str


class AlbumFaceAnswer(Answer):
    """A face in a cluster. Its thumbnail is at /v1/cluster/JOB/faces/FACE/picture."""

    face: Annotated[Number, Field(description="Face number.")]
    photo: Annotated[str, Field(description="File name of the photo.")]
    box: Box
    membership: Annotated[
        float,
        Field(ge=0, le=1, description="Probability that the face belongs to this cluster. Check it if below 0.5."),
    ]


class ClusterAnswer(Answer):
    """A cluster: the faces of one person."""

    cluster: Annotated[Number, Field(description="Cluster number; it does not change when faces are added.")]
    name: Annotated[str | None, Field(description="Name given to the cluster, or null.")]
    cohesion: Annotated[
        float, Field(ge=0, le=1, description="Probability of a match at the mean distance between its faces.")
    ]
    faces: Annotated[list[AlbumFaceAnswer], Field(description="Most typical faces first; faces to check are last.")]


class ClusterResult(Answer):
    """The result of a clustering job."""

    job: Job
    threshold: Annotated[float, Field(description="Squared distance at which the clusters were cut.")]
    clusters: Annotated[list[ClusterAnswer], Field(description="Clusters, largest first.")]
    failures: list[FailureAnswer]


class Question(Answer):
    """A question to the user: are these two faces the same person?"""

    a: Annotated[Number, Field(description="Number of a face.")]
    b: Annotated[Number, Field(description="Number of a face.")]
    clusters: Annotated[tuple[int, int], Field(description="The clusters of the two faces.")]
    probability: Probability
    gain: Annotated[float, Field(description="Expected number of faces that the answer brings together.")]


class Questions(Answer):
    """Questions, the most informative first."""

    questions: list[Question]
    total: Annotated[int, Field(ge=0, description="Number of open questions. Every answer reduces it by at least one.")]


class AnswerRequest(Request):
    """An answer to a question: same person or not."""

    a: Annotated[Number, Field(description="Number of a face.")]
    b: Annotated[Number, Field(description="Number of the other face.")]
    same: bool


class MergeClustersRequest(Request):
    """Clusters to merge into the first."""

    clusters: Annotated[list[Number], Field(min_length=2, max_length=1000)]


class SplitRequest(Request):
    """Faces to split off their cluster."""

    faces: Annotated[list[Number], Field(min_length=1, max_length=1000)]


class MoveFacesRequest(Request):
    """Faces to move to another cluster."""

    faces: Annotated[list[Number], Field(min_length=1, max_length=1000)]
    cluster: Number


class NameClusterRequest(Request):
    """A name for a cluster."""

    cluster: Number
    name: Name


class UndoRequest(Request):
    """The decision to undo. Default: the last one."""

    decision: Number | None = None


class DecisionMade(Answer):
    """A saved decision."""

    decision: Annotated[Number, Field(description="Decision number, for undo.")]


class FacePair(Answer):
    """Two faces and whether they are the same person."""

    a: Annotated[Number, Field(description="Number of a face.")]
    b: Annotated[Number, Field(description="Number of the other face.")]
    same: bool


class NamedFace(Answer):
    """A representative face of a cluster and the name given to the cluster."""

    face: Number
    name: str


class DecisionAnswer(Answer):
    """A decision about faces or clusters."""

    decision: Number
    what: str
    pairs: Annotated[
        list[FacePair], Field(default=[], description="Pairs of faces that the decision joins or separates.")
    ]
    naming: Annotated[NamedFace | None, Field(description="Name given by the decision, or null.")] = None
    made: Time
    undone: Annotated[str | None, Field(description="When it was undone, or null.")]


class Decisions(Answer):
    """All decisions, oldest first."""

    decisions: list[DecisionAnswer]


class EnrolFacesRequest(Request):
    """Faces of a clustering job to enrol as one person."""

    faces: Annotated[list[Number], Field(min_length=1, max_length=1000)]
    name: Annotated[
        Name, Field(description="Name of the person. If it is already enrolled, the faces are added to that person.")
    ]
    keep: Annotated[bool, Field(description="Store a thumbnail of each face, if the service allows it.")] = False
    accept_doubtful: Annotated[bool, Field(description="Also enrol faces that look like somebody else.")] = False
