"""Several photos in one call. One that cannot be used is reported in its place; the others are answered."""

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI, Request

from facespace.errors import ImageError
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
from facespace.server.photos import Crops, Embeddings, Fpir, Once, Top, check_embeddings, identified
from facespace.server.pictures import faces_of
from facespace.server.queue import in_time
from facespace.server.routes import Rule, door
from facespace.server.service import service_of
from facespace.server.uploads import Upload, Wanted
from facespace.space import Look, Space

# Photos between looks at the deadline, and faces found together.
TOGETHER = 8


def add_batches(app: FastAPI, photos: int) -> None:
    """Declare the routes; `photos` is the most of one request."""
    several = Wanted(("photos",), most=photos)

    @door(
        app, "POST", "/v1/faces/batch", FacesBatchAnswer, Rule(Scope.VERIFY, heavy=True), body=several, tags=["photos"]
    )
    async def faces(request: Request, crops: Crops = False, embeddings: Embeddings = False) -> FacesBatchAnswer:
        """Every face of several photos. A photo that cannot be used is reported; the rest are answered."""
        service = service_of(request)
        check_embeddings(request, embeddings)
        form = await read_form(request, several, *service.settings.body_limits)

        def work() -> FacesBatchAnswer:
            return FacesBatchAnswer(
                model=service.space.id,
                photos=[
                    FacesOfPhoto(**_photo(place, upload, look), faces=_faces(look, crops, embeddings))
                    for place, (upload, look) in enumerate(_looks(service.space, form.photos["photos"]))
                ],
            )

        return await service.photos.run(work)

    @door(
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
        once: Once = True,
        crops: Crops = False,
        embeddings: Embeddings = False,
    ) -> IdentifyBatchAnswer:
        """Who are the faces of several photos? Each photo is a search of its own, as by /v1/identify."""
        service = service_of(request)
        check_embeddings(request, embeddings)
        form = await read_form(request, several, *service.settings.body_limits)

        def work() -> IdentifyBatchAnswer:
            gallery = service.known()
            found = [
                IdentifiedPhoto(
                    **_photo(place, upload, look),
                    faces=identified(gallery, look, fpir, top, once, crops, embeddings)
                    if isinstance(look, Look)
                    else [],
                )
                for place, (upload, look) in enumerate(_looks(service.space, form.photos["photos"]))
            ]
            return IdentifyBatchAnswer(
                threshold=gallery.threshold(fpir), fpir=fpir, people=len(gallery.index), photos=found
            )

        return await service.photos.run(work)


def _looks(space: Space, uploads: list[Upload]) -> Iterator[tuple[Upload, Look | str]]:
    """Each photo with its faces, or with why it cannot be used."""
    for start in range(0, len(uploads), TOGETHER):
        in_time()
        group = uploads[start : start + TOGETHER]
        found: list[Look | str]
        try:
            found = [*space.look_all([named(upload) for upload in group])]
        except ImageError:
            found = [_look(space, upload) for upload in group]
        yield from zip(group, found, strict=True)


def _look(space: Space, upload: Upload) -> Look | str:
    try:
        return space.look(named(upload))
    except ImageError as error:
        return str(error)


def _photo(place: int, upload: Upload, look: Look | str) -> dict[str, Any]:
    if isinstance(look, str):
        failure = PhotoFailure(type="urn:facespace:image", detail=look)
        return {"photo": place, "name": upload.name, "failure": failure, "width": 0, "height": 0}
    return {"photo": place, "name": upload.name, "width": look.width, "height": look.height}


def _faces(look: Look | str, crops: bool, embeddings: bool) -> list[Any]:
    return faces_of(look, crops, embeddings) if isinstance(look, Look) else []
