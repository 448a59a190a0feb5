"""Faces of photos, two compared, one searched."""

from typing import Annotated, Literal

from pydantic import Field

from facespace.schemas.base import AdjustedDistance, Answer, Box, Distance, Number, Probability


class QualityAnswer(Answer):
    """What a face offers."""

    value: Annotated[float, Field(ge=0, le=1, description="The share of ordinary photos that are worse.")]
    eye_distance: Annotated[float, Field(description="Pixels of the photo between the eyes.")]
    sharpness: Annotated[float, Field(description="Contrast of fine detail, a share; below 0.05 blurred.")]
    brightness: Annotated[float, Field(description="Mean luminance, 0 black to 1 white.")]
    contrast: Annotated[float, Field(description="Standard deviation of the luminance, 0 to 0.5.")]
    yaw: Annotated[float, Field(description="Degrees, rough.")]
    pitch: Annotated[float, Field(description="Degrees, rough.")]
    roll: Annotated[float, Field(description="Degrees, rough.")]
    occlusion: Annotated[float, Field(ge=0, le=1, description="How unlike each other the two halves are; a hint.")]


class FaceAnswer(Answer):
    """A face of a photo."""

    box: Box
    landmarks: Annotated[
        list[tuple[float, float]] | None,
        Field(
            description="x, y of left eye, right eye, nose, left and right mouth corner (left as seen), in pixels of "
            "the photo; null where the detector gives none."
        ),
    ]
    score: Annotated[float, Field(ge=0, le=1, description="The detector's.")]
    quality: Annotated[QualityAnswer | None, Field(description="Null where there are no landmarks to judge by.")]
    crop: Annotated[
        str | None,
        Field(description="The aligned face as the network sees it, a JPEG in base64; null unless `crops` asks."),
    ] = None
    embedding: Annotated[
        list[float] | None,
        Field(description="The point, L2 norm 1; null unless `embeddings` asks and the key has that scope."),
    ] = None


class PhotoAnswer(Answer):
    """A photo and its faces."""

    width: Annotated[int, Field(description="Pixels, upright.")]
    height: Annotated[int, Field(description="Pixels, upright.")]
    faces: Annotated[list[FaceAnswer], Field(description="In reading order.")]


class FacesAnswer(PhotoAnswer):
    """Every face of a photo."""

    model: Annotated[str, Field(description="The space's name, hex sha256; points of others cannot be compared.")]


class VerifyAnswer(Answer):
    """Are a face of one photo and a face of another the same person?"""

    verdict: Annotated[
        Literal["same", "unclear", "different"],
        Field(
            description="`same` up to the threshold, `different` beyond the rejection, `unclear` (too close to call) "
            "between them."
        ),
    ]
    headline: Annotated[str, Field(description="The verdict in a few words.", examples=["Too close to call"])]
    explanation: Annotated[str, Field(description="The verdict in whole sentences, with both error rates.")]
    notes: Annotated[list[str], Field(description="What to know of further faces in the photos; may be empty.")]
    same: Annotated[bool, Field(description="Whether the distance is at most the threshold.")]
    probability: Probability
    distance: Distance
    threshold: Annotated[float, Field(description="Squared distance up to which two faces are one person.")]
    far: Annotated[float, Field(description="The false accept rate that the threshold was chosen for.")]
    rejection: Annotated[
        float | None,
        Field(description="Squared distance beyond which two faces are different people; null where it is not known."),
    ]
    frr: Annotated[
        float | None, Field(description="The share of same-person pairs beyond that (false reject rate), or null.")
    ]
    a: Annotated[PhotoAnswer, Field(description="The first photo, all its faces.")]
    b: Annotated[PhotoAnswer, Field(description="The second photo, all its faces.")]
    main_a: Annotated[int, Field(ge=0, description="Place of the compared face in `a.faces`, from 0.")]
    main_b: Annotated[int, Field(ge=0, description="Place of the compared face in `b.faces`, from 0.")]
    face_a: Annotated[int, Field(ge=1, description="Its number from 1, which `face_a` takes.")]
    face_b: Annotated[int, Field(ge=1, description="Its number from 1, which `face_b` takes.")]


class CandidateAnswer(Answer):
    """Somebody a face may be."""

    person: Annotated[Number, Field(description="Number of the person.")]
    name: str
    distance: Distance
    adjusted_distance: AdjustedDistance
    probability: Annotated[float, Field(ge=0, le=1, description="That it is them and not one other, even prior odds.")]
    picture: Annotated[
        int | None,
        Field(description="Number of a face of theirs whose picture is kept (/v1/people/faces/N/picture), or null."),
    ] = None


class IdentifiedFace(FaceAnswer):
    """Who a face is."""

    person: Annotated[int | None, Field(description="Number of the person; null for nobody we know.")]
    name: Annotated[str | None, Field(description="Their name; null for nobody we know.")]
    candidates: Annotated[list[CandidateAnswer], Field(description="Nearest first, whether accepted or not.")]


class IdentifyAnswer(Answer):
    """Who are the faces of a photo?"""

    width: Annotated[int, Field(description="Pixels, upright.")]
    height: Annotated[int, Field(description="Pixels, upright.")]
    threshold: Annotated[float, Field(description="`adjusted_distance` up to which a candidate is the person.")]
    fpir: Annotated[float, Field(description="Share of strangers' faces that may at most be taken for somebody.")]
    people: Annotated[int, Field(ge=0, description="How many people the gallery has.")]
    faces: Annotated[list[IdentifiedFace], Field(description="In reading order.")]
