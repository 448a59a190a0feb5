"""Several photos in one call, one face against one person, and searches by embedding."""

from typing import Annotated, Literal

from pydantic import Field

from facespace.schemas.base import Answer, Distance, Number, Probability, Request
from facespace.schemas.photos import CandidateAnswer, FaceAnswer, IdentifiedFace, PhotoAnswer

# Embeddings of one request to search.
MOST_EMBEDDINGS = 100
# The longest that a space's embeddings may be.
MOST_DIMENSIONS = 4096


class PhotoFailure(Answer):
    """Why a photo of several could not be used; the others are answered all the same."""

    type: Annotated[str, Field(description="The kind of problem.", examples=["urn:facespace:image"])]
    detail: Annotated[str, Field(description="What was wrong and what to do.")]


class BatchPhoto(Answer):
    """One photo of several."""

    photo: Annotated[int, Field(ge=0, description="Its place among the photos sent, from 0.")]
    name: Annotated[str, Field(description="The name it was uploaded under.")]
    failure: Annotated[PhotoFailure | None, Field(description="Why it could not be used; null where it could.")] = None
    width: Annotated[int, Field(ge=0, description="Pixels, upright; 0 where it could not be used.")]
    height: Annotated[int, Field(ge=0, description="Pixels, upright; 0 where it could not be used.")]


class FacesOfPhoto(BatchPhoto):
    """The faces of one photo of several."""

    faces: Annotated[list[FaceAnswer], Field(description="In reading order.")]


class FacesBatchAnswer(Answer):
    """Every face of several photos."""

    model: Annotated[str, Field(description="The space's name, hex sha256; embeddings of others cannot be compared.")]
    photos: Annotated[list[FacesOfPhoto], Field(description="In the order in which they were sent.")]


class IdentifiedPhoto(BatchPhoto):
    """Who the faces of one photo of several are."""

    faces: Annotated[list[IdentifiedFace], Field(description="In reading order.")]


class IdentifyBatchAnswer(Answer):
    """Who are the faces of several photos?"""

    threshold: Annotated[float, Field(description="Squared distance up to which a candidate is accepted.")]
    fpir: Annotated[float, Field(description="False positive identification rate that the threshold was chosen for.")]
    people: Annotated[int, Field(ge=0, description="How many people the gallery has.")]
    photos: Annotated[list[IdentifiedPhoto], Field(description="In the order in which they were sent.")]


class PersonVerifyAnswer(Answer):
    """Is the face of a photo (the probe) this person's?"""

    person_id: Annotated[Number, Field(description="Who was claimed.")]
    name: str
    verdict: Annotated[
        Literal["same", "unclear", "different"],
        Field(
            description="`same` up to the threshold, `different` beyond the rejection, `unclear` (too close to call) "
            "between them."
        ),
    ]
    headline: Annotated[str, Field(description="The verdict in a few words.", examples=["Too close to call"])]
    explanation: Annotated[str, Field(description="The verdict in whole sentences, with both error rates.")]
    same: Annotated[bool, Field(description="Whether the distance is at most the threshold.")]
    probability: Probability
    distance: Distance
    adjusted_distance: Annotated[
        float,
        Field(
            ge=0,
            description="The distance as if the person had a single photo, which is compared with the threshold.",
            examples=[0.72],
        ),
    ]
    threshold: Annotated[float, Field(description="`adjusted_distance` up to which the face is the person's.")]
    far: Annotated[float, Field(description="The false accept rate that the threshold was chosen for.")]
    rejection: Annotated[
        float | None,
        Field(description="`adjusted_distance` beyond which it is somebody else; null where it is not known."),
    ]
    frr: Annotated[
        float | None, Field(description="The share of same-person pairs beyond that (false reject rate), or null.")
    ]
    face: Annotated[int, Field(ge=1, description="Which face of the photo was compared, from 1 in reading order.")]
    note: Annotated[str | None, Field(description="What to know of further faces in the photo; null where none.")]
    photo: Annotated[PhotoAnswer, Field(description="The photo, all its faces.")]


Embedding = Annotated[
    list[Annotated[float, Field(ge=-1.01, le=1.01)]],
    Field(min_length=1, max_length=MOST_DIMENSIONS, description="One face's embedding, L2 norm 1."),
]


class EmbeddingSearchRequest(Request):
    """Embeddings (probes) to search the gallery for."""

    model: Annotated[
        str, Field(max_length=64, description="The space that they are of, as /v1/faces gives it, or `default`.")
    ]
    embeddings: Annotated[list[Embedding], Field(min_length=1, max_length=MOST_EMBEDDINGS)]


class EmbeddingMatch(Answer):
    """Who an embedding is."""

    person_id: Annotated[int | None, Field(description="Who was accepted; null for nobody in the gallery.")]
    name: Annotated[str | None, Field(description="Their name; null for nobody in the gallery.")]
    candidates: Annotated[list[CandidateAnswer], Field(description="Nearest first, whether accepted or not.")]


class EmbeddingSearchAnswer(Answer):
    """Who are these embeddings?"""

    threshold: Annotated[float, Field(description="Squared distance up to which a candidate is accepted.")]
    fpir: Annotated[float, Field(description="False positive identification rate that the threshold was chosen for.")]
    people: Annotated[int, Field(ge=0, description="How many people the gallery has.")]
    matches: Annotated[list[EmbeddingMatch], Field(description="One for each embedding, in the order sent.")]
