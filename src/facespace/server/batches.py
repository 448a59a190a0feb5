"""Routes for several photos in one request. An unusable photo is reported in its place."""

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI, Request

from facespace.gallery import FPIR
from facespace.schemas import (
    FacesBatchAnswer,
    FacesOfPhoto,
    IdentifiedPhoto,
    IdentifyBatchAnswer,
    PhotoFailure,
)
from facespace.server.body import named, read_form
from facespace.server.keys import Scope
from facespace.server.photos import Crops, Embeddings, Fpir, Once, Top, Unique, check_embeddings, identified
from facespace.server.pictures import faces_of
from facespace.server.queue import check_deadline
from facespace.server.routes import Rule, route
from facespace.server.service import service_of
from facespace.server.uploads import Upload, UploadSpec
from facespace.space import PhotoFaces, Space, photo_faces

# Photos that are processed together, between two checks of the deadline.
TOGETHER = 8


def add_batches(app: FastAPI, photos: int) -> None:
    """Declare the routes; `photos` is the maximum number per request."""
    several = UploadSpec(("photos",), limit=photos)

    @route(
        app, "POST", "/v1/faces/batch", FacesBatchAnswer, Rule(Scope.VERIFY, heavy=True), body=several, tags=["photos"]
    )
    async def faces(request: Request, crops: Crops = False, embeddings: Embeddings = False) -> FacesBatchAnswer:
        """Find the faces in several photos. An unusable photo is reported as a failure; the others are processed."""
        service = service_of(request)
        check_embeddings(request, embeddings)
        form = await read_form(request, several, *service.settings.body_limits)

        def work() -> FacesBatchAnswer:
            return FacesBatchAnswer(
                model=service.space.id,
                photos=[
                    FacesOfPhoto(**_photo(place, upload, photo), faces=faces_of(photo, crops, embeddings))
                    for place, (upload, photo) in enumerate(_found(service.space, form.photos["photos"]))
                ],
            )

        return await service.photo_queue.run(work)

    @route(
        app,
        "POST",
        "/v1/identify/batch",
        IdentifyBatchAnswer,
        Rule(Scope.READ, heavy=True, gallery=True),
        body=several,
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
    ) -> IdentifyBatchAnswer:
        """Identify the faces in several photos. Each photo is searched separately, as by /v1/identify."""
        service = service_of(request)
        check_embeddings(request, embeddings)
        form = await read_form(request, several, *service.settings.body_limits)

        def work() -> IdentifyBatchAnswer:
            gallery = service.require_gallery()
            found = [
                IdentifiedPhoto(
                    **_photo(place, upload, photo),
                    faces=identified(gallery, photo, fpir, top, unique if once is None else once, crops, embeddings),
                )
                for place, (upload, photo) in enumerate(_found(service.space, form.photos["photos"]))
            ]
            return IdentifyBatchAnswer(
                threshold=gallery.threshold(fpir), fpir=fpir, people=len(gallery.index), photos=found
            )

        return await service.photo_queue.run(work)


def _found(space: Space, uploads: list[Upload]) -> Iterator[tuple[Upload, PhotoFaces]]:
    """Yield each photo with its faces, or with the reason why it cannot be used."""
    for start in range(0, len(uploads), TOGETHER):
        check_deadline()
        group = uploads[start : start + TOGETHER]
        yield from zip(group, photo_faces(space, [named(upload) for upload in group]), strict=True)


def _photo(place: int, upload: Upload, found: PhotoFaces) -> dict[str, Any]:
    answer = {"photo": place, "name": upload.name, "width": found.width, "height": found.height}
    if found.failure is None:
        return answer
    return {**answer, "failure": PhotoFailure(type="urn:facespace:image", detail=found.failure)}
