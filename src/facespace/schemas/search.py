"""Models for several photos in one request, for verifying a person, and for search by embedding."""

from typing import Annotated, Literal

from pydantic import Field

from facespace.schemas.base import Answer, Distance, Number, Probability, Request
from facespace.schemas.photos import CandidateAnswer, FaceAnswer, IdentifiedFace, PhotoAnswer

# Maximum number of embeddings in one search.
MOST_EMBEDDINGS = 100
# Maximum dimension of an embedding.
MOST_DIMENSIONS = 4096


class PhotoFailure(Answer):
    """Why one photo of several could not be used."""

    type: Annotated[str, Field(description="Problem type.", examples=["urn:facespace:image"])]
    detail: Annotated[str, Field(description="What was wrong and what to do.")]


class BatchPhoto(Answer):
    """One photo of several."""

    photo: Annotated[int, Field(ge=0, description="Position in the request, from 0.")]
    name: Annotated[str, Field(description="File name of the photo.")]
    failure: Annotated[PhotoFailure | None, Field(description="Why the photo could not be used, or null.")] = None
    width: Annotated[int, Field(ge=0, description="In pixels, of the upright photo; 0 if it could not be used.")]
    height: Annotated[int, Field(ge=0, description="In pixels, of the upright photo; 0 if it could not be used.")]


class FacesOfPhoto(BatchPhoto):
    """The faces in one photo of several."""

    faces: Annotated[list[FaceAnswer], Field(description="Faces in reading order.")]


class FacesBatchAnswer(Answer):
    """The faces in several photos."""

    model: Annotated[
        str, Field(description="Id of the space: a SHA-256 in hex. Embeddings of different spaces cannot be compared.")
    ]
    photos: Annotated[list[FacesOfPhoto], Field(description="Photos in the order of the request.")]


class IdentifiedPhoto(BatchPhoto):
    """The identified faces in one photo of several."""

    faces: Annotated[list[IdentifiedFace], Field(description="Faces in reading order.")]


class IdentifyBatchAnswer(Answer):
    """The identified faces in several photos."""

    threshold: Annotated[float, Field(description="Squared distance up to which a candidate is accepted.")]
    fpir: Annotated[float, Field(description="Maximum false-positive identification rate (FPIR) of the threshold.")]
    people: Annotated[int, Field(ge=0, description="Number of people in the gallery.")]
    photos: Annotated[list[IdentifiedPhoto], Field(description="Photos in the order of the request.")]


class PersonVerifyAnswer(Answer):
    """The result of verifying a photo (the probe) against a person."""

    person_id: Annotated[Number, Field(description="Id of the claimed person.")]
    name: str
    verdict: Annotated[
        Literal["same", "unclear", "different"],
        Field(
            description="`same` up to `threshold`, `different` beyond `rejection`, `unclear` (too close to call) in "
            "between."
        ),
    ]
    headline: Annotated[str, Field(description="The verdict in a few words.", examples=["Too close to call"])]
    explanation: Annotated[str, Field(description="The verdict in full sentences, with both error rates.")]
    same: Annotated[bool, Field(description="Whether the distance is at most the threshold.")]
    probability: Probability
    distance: Distance
    adjusted_distance: Annotated[
        float,
        Field(
            ge=0,
            description="The distance, adjusted for the number of photos of the person; compared with the threshold.",
            examples=[0.72],
        ),
    ]
    threshold: Annotated[
        float, Field(description="`adjusted_distance` up to which the face is accepted as the person.")
    ]
    far: Annotated[float, Field(description="False accept rate (FAR) of the threshold.")]
    rejection: Annotated[
        float | None,
        Field(description="`adjusted_distance` beyond which it is a different person; null if unknown."),
    ]
    frr: Annotated[
        float | None,
        Field(description="False reject rate (FRR): the share of same-person pairs beyond `rejection`, or null."),
    ]
    face: Annotated[int, Field(ge=1, description="Number of the compared face, from 1 in reading order.")]
    note: Annotated[str | None, Field(description="Remark about other faces in the photo, or null.")]
    photo: Annotated[PhotoAnswer, Field(description="The photo with all its faces.")]


Embedding = Annotated[
    list[Annotated[float, Field(ge=-1.01, le=1.01)]],
    Field(min_length=1, max_length=MOST_DIMENSIONS, description="Embedding of a face, with L2 norm 1."),
]


class EmbeddingSearchRequest(Request):
    """Embeddings (probes) to identify in the gallery."""

    model: Annotated[
        str,
        Field(max_length=64, description="Id of the space of the embeddings, as /v1/faces returns it, or `default`."),
    ]
    embeddings: Annotated[list[Embedding], Field(min_length=1, max_length=MOST_EMBEDDINGS)]


class EmbeddingMatch(Answer):
    """The person identified by an embedding."""

    person_id: Annotated[int | None, Field(description="Id of the person; null if unknown.")]
    name: Annotated[str | None, Field(description="Name of the person; null if unknown.")]
    candidates: Annotated[list[CandidateAnswer], Field(description="Candidates, best first, including rejected ones.")]


class EmbeddingSearchAnswer(Answer):
    """The result of a search by embedding."""

    threshold: Annotated[float, Field(description="Squared distance up to which a candidate is accepted.")]
    fpir: Annotated[float, Field(description="Maximum false-positive identification rate (FPIR) of the threshold.")]
    people: Annotated[int, Field(ge=0, description="Number of people in the gallery.")]
    matches: Annotated[list[EmbeddingMatch], Field(description="One match per embedding, in the order of the request.")]
