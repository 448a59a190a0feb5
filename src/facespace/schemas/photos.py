"""Models for photos: detected, verified and identified faces."""

from typing import Annotated, Literal

from pydantic import Field, computed_field

from facespace.schemas.base import AdjustedDistance, Answer, Box, Distance, OfPerson, Probability


class QualityAnswer(Answer):
    """The quality of a face."""

    value: Annotated[float, Field(ge=0, le=1, description="Share of ordinary photos with lower quality.")]
    eye_distance: Annotated[float, Field(description="Distance between the eyes, in pixels of the photo.")]
    sharpness: Annotated[float, Field(description="Contrast of fine detail, as a share; below 0.05 is blurred.")]
    brightness: Annotated[float, Field(description="Mean luminance, from 0 (black) to 1 (white).")]
    contrast: Annotated[float, Field(description="Standard deviation of the luminance, 0 to 0.5.")]
    yaw: Annotated[float, Field(description="Approximate, in degrees.")]
    pitch: Annotated[float, Field(description="Approximate, in degrees.")]
    roll: Annotated[float, Field(description="Approximate, in degrees.")]
    occlusion: Annotated[float, Field(ge=0, le=1, description="How much the two halves differ: a hint of occlusion.")]


class FaceAnswer(Answer):
    """A face in a photo."""

    box: Box
    landmarks: Annotated[
        list[tuple[float, float]] | None,
        Field(
            description="x, y of left eye, right eye, nose, left and right mouth corner (left in the image), in "
            "pixels of the photo; null if the detector gives none."
        ),
    ]
    score: Annotated[float, Field(ge=0, le=1, description="Score of the detector.")]
    quality: Annotated[QualityAnswer | None, Field(description="Null if there are no landmarks to measure it from.")]
    crop: Annotated[
        str | None,
        Field(description="Aligned crop of the face, a JPEG in base64; null unless `crops` is set."),
    ] = None
    embedding: Annotated[
        list[float] | None,
        Field(description="Embedding with L2 norm 1; null unless `embeddings` is set and the key has that scope."),
    ] = None


class PhotoAnswer(Answer):
    """A photo and its faces."""

    width: Annotated[int, Field(description="In pixels, of the upright photo.")]
    height: Annotated[int, Field(description="In pixels, of the upright photo.")]
    faces: Annotated[list[FaceAnswer], Field(description="Faces in reading order.")]


class FacesAnswer(PhotoAnswer):
    """The faces in a photo."""

    model: Annotated[
        str, Field(description="Id of the space: a SHA-256 in hex. Embeddings of different spaces cannot be compared.")
    ]


class VerifyAnswer(Answer):
    """The result of verifying two photos."""

    verdict: Annotated[
        Literal["same", "unclear", "different"],
        Field(
            description="`same` up to `threshold`, `different` beyond `rejection`, `unclear` (too close to call) in "
            "between."
        ),
    ]
    headline: Annotated[str, Field(description="The verdict in a few words.", examples=["Too close to call"])]
    explanation: Annotated[str, Field(description="The verdict in full sentences, with both error rates.")]
    notes: Annotated[list[str], Field(description="Remarks about other faces in the photos.")]
    same: Annotated[bool, Field(description="Whether the distance is at most the threshold.")]
    probability: Probability
    distance: Distance
    threshold: Annotated[float, Field(description="Squared distance up to which two faces are the same person.")]
    far: Annotated[float, Field(description="False accept rate (FAR) of the threshold.")]
    rejection: Annotated[
        float | None,
        Field(description="Squared distance beyond which two faces are different people; null if unknown."),
    ]
    frr: Annotated[
        float | None,
        Field(description="False reject rate (FRR): the share of same-person pairs beyond `rejection`, or null."),
    ]
    a: Annotated[PhotoAnswer, Field(description="The first photo with all its faces.")]
    b: Annotated[PhotoAnswer, Field(description="The second photo with all its faces.")]
    main_a: Annotated[int, Field(ge=0, description="Index of the compared face in `a.faces`, from 0.")]
    main_b: Annotated[int, Field(ge=0, description="Index of the compared face in `b.faces`, from 0.")]
    face_a: Annotated[
        int, Field(ge=1, description="Number of the compared face, from 1, as in the parameter `face_a`.")
    ]
    face_b: Annotated[
        int, Field(ge=1, description="Number of the compared face, from 1, as in the parameter `face_b`.")
    ]


class CandidateAnswer(OfPerson):
    """A candidate for a face."""

    name: str
    distance: Distance
    adjusted_distance: AdjustedDistance
    probability: Annotated[
        float, Field(ge=0, le=1, description="Probability that the face is this person, for even prior odds.")
    ]
    picture: Annotated[
        int | None,
        Field(description="Id of a face of the person with a stored thumbnail (/v1/people/faces/ID/picture), or null."),
    ] = None


class IdentifiedFace(FaceAnswer):
    """An identified face."""

    person_id: Annotated[int | None, Field(description="Id of the person; null if unknown.")]
    name: Annotated[str | None, Field(description="Name of the person; null if unknown.")]
    candidates: Annotated[list[CandidateAnswer], Field(description="Candidates, best first, including rejected ones.")]

    @computed_field(  # type: ignore[prop-decorator]
        description="Deprecated: use `person_id`.", json_schema_extra={"deprecated": True}
    )
    @property
    def person(self) -> int | None:
        """Old name of `person_id`, until the next minor version."""
        return self.person_id


class IdentifyAnswer(Answer):
    """The identified faces in a photo."""

    width: Annotated[int, Field(description="In pixels, of the upright photo.")]
    height: Annotated[int, Field(description="In pixels, of the upright photo.")]
    threshold: Annotated[float, Field(description="`adjusted_distance` up to which a candidate is accepted.")]
    fpir: Annotated[float, Field(description="Maximum false-positive identification rate (FPIR) of the threshold.")]
    people: Annotated[int, Field(ge=0, description="Number of people in the gallery.")]
    faces: Annotated[list[IdentifiedFace], Field(description="Faces in reading order.")]
