"""Routes to verify a photo against one person, and to search by embedding."""

from typing import Annotated

import numpy as np
from fastapi import FastAPI, Path, Query, Request
from numpy.typing import NDArray

from facespace.errors import EmbeddingError
from facespace.gallery import FPIR, verify_person
from facespace.metric import as_points
from facespace.schemas import (
    EmbeddingMatch,
    EmbeddingSearchAnswer,
    EmbeddingSearchRequest,
    InvalidField,
    PersonVerifyAnswer,
)
from facespace.schemas.base import Number
from facespace.server.body import read_form
from facespace.server.keys import Scope
from facespace.server.photos import Crops, Embeddings, Far, Fpir, Top, candidates_of, check_embeddings, usable
from facespace.server.pictures import photo_of
from facespace.server.problems import ProblemError
from facespace.server.routes import Rule, route
from facespace.server.service import service_of
from facespace.server.uploads import UploadSpec
from facespace.space import Face, Space, compared_face

PersonId = Annotated[Number, Path(description="Person id.")]
FaceNumber = Annotated[
    int | None,
    Query(description="Number of the face to compare, from 1 in reading order. Default: the largest.", ge=1),
]

ONE = UploadSpec(("photo",), raw=True)


def add_matching(app: FastAPI) -> None:
    """Declare the routes."""

    @route(
        app,
        "POST",
        "/v1/people/{person_id}/verify",
        PersonVerifyAnswer,
        Rule(Scope.READ, heavy=True, gallery=True),
        ("no-face",),
        ONE,
        tags=["people"],
    )
    async def verify(
        request: Request,
        person_id: PersonId,
        far: Far = None,
        face: FaceNumber = None,
        crops: Crops = False,
        embeddings: Embeddings = False,
    ) -> PersonVerifyAnswer:
        """Verify that a face in a photo is this person. Other people in the gallery are not considered."""
        service = service_of(request)
        check_embeddings(request, embeddings)
        service.space.threshold(far)
        form = await read_form(request, ONE, *service.settings.body_limits)

        def work() -> PersonVerifyAnswer:
            gallery = service.require_gallery()
            if gallery.person(person_id) is None:
                raise ProblemError("not-found", f"there is no person with the id {person_id} in the gallery")
            (photo,) = usable(service.space, form.photo("photo"))
            compared = compared_face(photo.faces, "the photo", face)
            probe = photo.faces[compared.face - 1].embedding
            found = verify_person(gallery.store, service.space, person_id, probe, far)
            return PersonVerifyAnswer(
                person_id=found.person.id,
                name=found.person.name,
                verdict=found.verdict,
                headline=found.headline,
                explanation=found.explanation,
                same=found.same,
                probability=found.probability,
                distance=found.distance,
                adjusted_distance=found.adjusted_distance,
                threshold=found.threshold,
                far=found.far,
                rejection=found.rejection,
                frr=found.frr,
                face=compared.face,
                note=compared.note,
                photo=photo_of(photo, crops, embeddings),
            )

        return await service.photo_queue.run(work)

    @route(
        app,
        "POST",
        "/v1/search",
        EmbeddingSearchAnswer,
        Rule(Scope.EMBEDDING_SEARCH, gallery=True),
        ("too-large",),
        tags=["people"],
    )
    async def search(
        request: Request, probes: EmbeddingSearchRequest, fpir: Fpir = FPIR, top: Top = 5
    ) -> EmbeddingSearchAnswer:
        """Identify faces by their embeddings: the best candidates in the gallery, or unknown."""
        service = service_of(request)
        points = probes_of(probes, service.space)

        def work() -> EmbeddingSearchAnswer:
            gallery = service.require_gallery()
            # Identification does not use the position of a face.
            faces = [Face((0.0, 0.0, 0.0, 0.0), None, 1.0, point) for point in points]
            found = gallery.identify_faces(faces, fpir, top, unique=False)
            return EmbeddingSearchAnswer(
                threshold=gallery.threshold(fpir),
                fpir=fpir,
                people=len(gallery.index),
                matches=[
                    EmbeddingMatch(person_id=match.person_id, name=match.name, candidates=candidates)
                    for match, candidates in zip(found, candidates_of(gallery, found), strict=True)
                ],
            )

        return await service.database_queue.run(work)


def probes_of(request: EmbeddingSearchRequest, space: Space) -> NDArray[np.float32]:
    """Return the embeddings, shape (n, d). Raises if they are of another space or do not have L2 norm 1."""
    if request.model not in (space.id, "default"):
        raise _wrong("body.model", f"this service uses the space {space.id}; use embeddings of that model")
    try:
        return as_points(request.embeddings, space.dimension)
    except EmbeddingError as error:
        raise _wrong("body.embeddings", str(error)) from None


def _wrong(field: str, message: str) -> ProblemError:
    return ProblemError("invalid", f"{field}: {message}", errors=[InvalidField(field=field, message=message)])
