"""Routes for photos: detect, verify and identify faces."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import FastAPI, Query, Request

from facespace.errors import ImageError
from facespace.gallery import FPIR, Gallery, Identification
from facespace.images import Photo
from facespace.schemas import CandidateAnswer, FacesAnswer, IdentifiedFace, IdentifyAnswer, VerifyAnswer
from facespace.server.body import read_form
from facespace.server.keys import Scope
from facespace.server.pictures import faces_of, photo_of
from facespace.server.problems import ProblemError
from facespace.server.routes import Rule, route
from facespace.server.service import caller_of, service_of
from facespace.server.uploads import UploadSpec
from facespace.space import PhotoFaces, Space, compared_face, photo_faces

Crops = Annotated[bool, Query(description="Return the aligned crop of each face, a JPEG in base64.")]
Embeddings = Annotated[bool, Query(description="Return the embedding of each face. Needs the scope `embeddings`.")]
Far = Annotated[
    float | None, Query(description="False accept rate (FAR) to decide at: one that the model card lists.", gt=0, lt=1)
]
FaceOf = Annotated[
    int | None, Query(description="Number of the face to compare, from 1 in reading order. Default: the largest.", ge=1)
]
Fpir = Annotated[
    float,
    Query(
        description="Maximum false-positive identification rate (FPIR): the share of unknown faces given a name.",
        gt=0,
        lt=1,
    ),
]
Top = Annotated[int, Query(description="Number of candidates per face.", ge=1, le=50)]
Unique = Annotated[bool, Query(description="Assign each person to at most one face per photo.")]
Once = Annotated[bool | None, Query(deprecated=True, description="Deprecated: use `unique`.")]

ONE, TWO = UploadSpec(("photo",), raw=True), UploadSpec(("a", "b"))


def add_photos(app: FastAPI) -> None:
    """Declare the routes that process photos without storing them."""

    @route(app, "POST", "/v1/faces", FacesAnswer, Rule(Scope.VERIFY, heavy=True), body=ONE, tags=["photos"])
    async def faces(request: Request, crops: Crops = False, embeddings: Embeddings = False) -> FacesAnswer:
        """Find the faces in a photo: boxes, landmarks, quality and, if requested, embeddings."""
        service = service_of(request)
        check_embeddings(request, embeddings)
        form = await read_form(request, ONE, *service.settings.body_limits)

        def work() -> FacesAnswer:
            (photo,) = usable(service.space, form.photo("photo"))
            return FacesAnswer(
                width=photo.width, height=photo.height, faces=faces_of(photo, crops, embeddings), model=service.space.id
            )

        return await service.photo_queue.run(work)

    @route(app, "POST", "/v1/verify", VerifyAnswer, Rule(Scope.VERIFY, heavy=True), ("no-face",), TWO, tags=["photos"])
    async def verify(
        request: Request,
        far: Far = None,
        face_a: FaceOf = None,
        face_b: FaceOf = None,
        crops: Crops = False,
        embeddings: Embeddings = False,
    ) -> VerifyAnswer:
        """Verify that two photos, `a` and `b`, show the same person. By default, their largest faces are compared."""
        service = service_of(request)
        check_embeddings(request, embeddings)
        service.space.threshold(far)
        form = await read_form(request, TWO, *service.settings.body_limits)

        def work() -> VerifyAnswer:
            a, b = usable(service.space, *(form.file(field, f"photo {field!r}") for field in ("a", "b")))
            side_a = compared_face(a.faces, "the photo 'a'", face_a)
            side_b = compared_face(b.faces, "the photo 'b'", face_b)
            main_a, main_b = side_a.face - 1, side_b.face - 1
            result = service.space.compare(a.faces[main_a].embedding, b.faces[main_b].embedding, far)
            return VerifyAnswer(
                verdict=result.verdict,
                headline=result.headline,
                explanation=result.explanation,
                notes=[note for note in (side_a.note, side_b.note) if note is not None],
                same=result.same,
                probability=result.probability,
                distance=result.distance,
                threshold=result.threshold,
                far=result.far,
                rejection=result.rejection,
                frr=result.frr,
                a=photo_of(a, crops, embeddings),
                b=photo_of(b, crops, embeddings),
                main_a=main_a,
                main_b=main_b,
                face_a=side_a.face,
                face_b=side_b.face,
            )

        return await service.photo_queue.run(work)

    @route(
        app,
        "POST",
        "/v1/identify",
        IdentifyAnswer,
        Rule(Scope.READ, heavy=True, gallery=True),
        body=ONE,
        tags=["photos"],
    )
    async def identify(
        request: Request,
        fpir: Fpir = FPIR,
        top: Top = 5,
        unique: Unique = True,
        once: Once = None,
        crops: Crops = False,
        embeddings: Embeddings = False,
    ) -> IdentifyAnswer:
        """Identify the faces in a photo: the best candidates in the gallery, or unknown."""
        service = service_of(request)
        check_embeddings(request, embeddings)
        form = await read_form(request, ONE, *service.settings.body_limits)

        def work() -> IdentifyAnswer:
            gallery = service.require_gallery()
            (photo,) = usable(service.space, form.photo("photo"))
            faces = identified(gallery, photo, fpir, top, unique if once is None else once, crops, embeddings)
            return IdentifyAnswer(
                width=photo.width,
                height=photo.height,
                threshold=gallery.threshold(fpir),
                fpir=fpir,
                people=len(gallery.index),
                faces=faces,
            )

        return await service.photo_queue.run(work)


def usable(space: Space, *photos: Photo) -> list[PhotoFaces]:
    """Return the faces of photos. Raises ImageError if one of them cannot be used."""
    found = photo_faces(space, photos)
    if failures := [photo.failure for photo in found if photo.failure is not None]:
        raise ImageError(failures[0])
    return found


def identified(
    gallery: Gallery, photo: PhotoFaces, fpir: float, top: int, unique: bool, crops: bool, embeddings: bool
) -> list[IdentifiedFace]:
    """Identify the faces in a photo."""
    found = gallery.identify_faces(photo.faces, fpir, top, unique)
    named = candidates_of(gallery, found)
    return [
        IdentifiedFace(**answer.model_dump(), person_id=face.person_id, name=face.name, candidates=candidates)
        for face, answer, candidates in zip(found, faces_of(photo, crops, embeddings), named, strict=True)
    ]


def candidates_of(gallery: Gallery, found: Sequence[Identification]) -> list[list[CandidateAnswer]]:
    """Return the candidates of each face, with the ids of their thumbnails."""
    pictures = gallery.pictured({candidate.person_id for face in found for candidate in face.candidates})
    return [
        [
            CandidateAnswer(
                person_id=candidate.person_id,
                name=candidate.name,
                distance=candidate.distance,
                adjusted_distance=candidate.adjusted_distance,
                probability=candidate.probability,
                picture=pictures.get(candidate.person_id),
            )
            for candidate in face.candidates
        ]
        for face in found
    ]


def check_embeddings(request: Request, wanted: bool) -> None:
    """Raise if embeddings are requested with a key that lacks their scope."""
    if wanted and Scope.EMBEDDINGS not in caller_of(request).scopes:
        raise ProblemError("scope", f"embeddings need an API key with the scope {Scope.EMBEDDINGS.value!r}")
