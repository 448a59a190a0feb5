"""The answers from photos: their faces, the same person or not, who it is."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import FastAPI, Query, Request

from facespace.gallery import FPIR, Gallery, Identification
from facespace.schemas import CandidateAnswer, FacesAnswer, IdentifiedFace, IdentifyAnswer, VerifyAnswer
from facespace.server.body import read_form
from facespace.server.keys import Scope
from facespace.server.pictures import faces_of, photo_of
from facespace.server.problems import Refusal
from facespace.server.routes import Rule, door
from facespace.server.service import caller_of, service_of
from facespace.server.uploads import Wanted
from facespace.space import Look, compared_face

Crops = Annotated[bool, Query(description="Give each face as the network sees it, a JPEG in base64.")]
Embeddings = Annotated[bool, Query(description="Give each face's point; needs the scope `embeddings`.")]
Far = Annotated[float | None, Query(description="False accept rate to decide at, one of the card's.", gt=0, lt=1)]
FaceOf = Annotated[
    int | None, Query(description="Number of the face to compare, from 1 in reading order; else the largest.", ge=1)
]
Fpir = Annotated[
    float, Query(description="Share of strangers' faces that may at most be taken for somebody.", gt=0, lt=1)
]
Top = Annotated[int, Query(description="How many candidates to give for each face.", ge=1, le=50)]
Once = Annotated[bool, Query(description="Nobody is in a photo twice.")]

ONE, TWO = Wanted(("photo",), raw=True), Wanted(("a", "b"))


def add_photos(app: FastAPI) -> None:
    """Declare the routes that take photos and keep nothing of them."""

    @door(app, "POST", "/v1/faces", FacesAnswer, Rule(Scope.VERIFY, heavy=True), body=ONE, tags=["photos"])
    async def faces(request: Request, crops: Crops = False, embeddings: Embeddings = False) -> FacesAnswer:
        """Every face of a photo: where it is, what it offers, and, where asked for, its embedding."""
        service = service_of(request)
        check_embeddings(request, embeddings)
        form = await read_form(request, ONE, *service.settings.body_limits)

        def work() -> FacesAnswer:
            look = service.space.look(form.photo("photo"))
            return FacesAnswer(
                width=look.width, height=look.height, faces=faces_of(look, crops, embeddings), model=service.space.id
            )

        return await service.photos.run(work)

    @door(app, "POST", "/v1/verify", VerifyAnswer, Rule(Scope.VERIFY, heavy=True), ("no-face",), TWO, tags=["photos"])
    async def verify(
        request: Request,
        far: Far = None,
        face_a: FaceOf = None,
        face_b: FaceOf = None,
        crops: Crops = False,
        embeddings: Embeddings = False,
    ) -> VerifyAnswer:
        """Are two photos, `a` and `b`, of the same person? Of several faces the largest is compared, or the chosen."""
        service = service_of(request)
        check_embeddings(request, embeddings)
        service.space.threshold(far)
        form = await read_form(request, TWO, *service.settings.body_limits)

        def work() -> VerifyAnswer:
            a, b = service.space.look_all([form.file(field, f"photo {field!r}") for field in ("a", "b")])
            side_a = compared_face(a.faces, "the photo 'a'", face_a)
            side_b = compared_face(b.faces, "the photo 'b'", face_b)
            main_a, main_b = side_a.face - 1, side_b.face - 1
            said = service.space.compare(a.faces[main_a].embedding, b.faces[main_b].embedding, far)
            return VerifyAnswer(
                verdict=said.verdict,
                headline=said.headline,
                explanation=said.explanation,
                notes=[note for note in (side_a.note, side_b.note) if note is not None],
                same=said.same,
                probability=said.probability,
                distance=said.distance,
                threshold=said.threshold,
                far=said.far,
                rejection=said.rejection,
                frr=said.frr,
                a=photo_of(a, crops, embeddings),
                b=photo_of(b, crops, embeddings),
                main_a=main_a,
                main_b=main_b,
                face_a=side_a.face,
                face_b=side_b.face,
            )

        return await service.photos.run(work)

    @door(
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
        once: Once = True,
        crops: Crops = False,
        embeddings: Embeddings = False,
    ) -> IdentifyAnswer:
        """Who are the faces of a photo, among the people of the gallery, or nobody we know?"""
        service = service_of(request)
        check_embeddings(request, embeddings)
        form = await read_form(request, ONE, *service.settings.body_limits)

        def work() -> IdentifyAnswer:
            gallery = service.known()
            look = service.space.look(form.photo("photo"))
            faces = identified(gallery, look, fpir, top, once, crops, embeddings)
            return IdentifyAnswer(
                width=look.width,
                height=look.height,
                threshold=gallery.threshold(fpir),
                fpir=fpir,
                people=len(gallery.index),
                faces=faces,
            )

        return await service.photos.run(work)


def identified(
    gallery: Gallery, look: Look, fpir: float, top: int, once: bool, crops: bool, embeddings: bool
) -> list[IdentifiedFace]:
    """Who the faces of a photo are."""
    found = gallery.identify_faces(look.faces, fpir, top, once)
    named = candidates_of(gallery, found)
    return [
        IdentifiedFace(**told.model_dump(), person=face.number, name=face.person, candidates=candidates)
        for face, told, candidates in zip(found, faces_of(look, crops, embeddings), named, strict=True)
    ]


def candidates_of(gallery: Gallery, found: Sequence[Identification]) -> list[list[CandidateAnswer]]:
    """The candidates of each face, with the pictures that are kept of them."""
    pictures = gallery.pictured({candidate.person for face in found for candidate in face.candidates})
    return [
        [
            CandidateAnswer(
                person=candidate.person,
                name=candidate.name,
                distance=candidate.distance,
                adjusted_distance=candidate.adjusted_distance,
                probability=candidate.probability,
                picture=pictures.get(candidate.person),
            )
            for candidate in face.candidates
        ]
        for face in found
    ]


def check_embeddings(request: Request, wanted: bool) -> None:
    """Refuse embeddings to a key that has not their scope."""
    if wanted and Scope.EMBEDDINGS not in caller_of(request).scopes:
        raise Refusal("scope", f"embeddings are given to keys with the scope {Scope.EMBEDDINGS.value!r} only")
