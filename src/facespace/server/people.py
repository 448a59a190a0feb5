"""Routes for the people in the gallery and their faces: list, enrol, rename, merge, undo and delete."""

import io
from typing import Annotated, Any

from fastapi import FastAPI, Path, Query, Request, Response

from facespace.gallery import Enrolment, Gallery, KeptFace, Person
from facespace.schemas import (
    ChangePersonRequest,
    EnrolAnswer,
    GalleryMap,
    MapPoint,
    MergeRequest,
    MoveFaceRequest,
    PeopleAnswer,
    PersonAnswer,
    PersonFace,
    PersonFaces,
    RemovalAnswer,
    UndoneMerge,
)
from facespace.schemas.base import Number
from facespace.schemas.people import PhotoReason
from facespace.server.body import named, read_form
from facespace.server.enrolment import NAMES, cleaned, enrol_answer, enrol_fields, explaining, kind_of, person_answer
from facespace.server.keys import Scope
from facespace.server.photos import Embeddings, check_embeddings
from facespace.server.problems import ProblemError
from facespace.server.routes import Rule, route
from facespace.server.service import service_of
from facespace.server.uploads import UploadSpec
from facespace.space import Failure

PersonId = Annotated[Number, Path(description="Person id.")]
FaceNumber = Annotated[Number, Path(description="Face id.")]
Offset = Annotated[int, Query(description="Number of people to skip.", ge=0, le=2**31)]
Limit = Annotated[int, Query(description="Number of people per page.", ge=1, le=1000)]
Find = Annotated[str | None, Query(description="Part of a name; case is ignored.", max_length=500)]
Shown = Annotated[int, Query(description="Maximum number of people on the map.", ge=1, le=5000)]

READ, ENROL, ADMIN = (Rule(scope, gallery=True) for scope in (Scope.READ, Scope.ENROL, Scope.ADMIN))


def add_people(app: FastAPI, photos: int) -> None:
    """Declare the routes for people; `photos` is the maximum number of photos per request."""
    enrolment = UploadSpec(("photos",), limit=photos, texts=NAMES)

    @route(app, "GET", "/v1/people", PeopleAnswer, READ, tags=["people"])
    async def people(request: Request, search: Find = None, offset: Offset = 0, limit: Limit = 100) -> PeopleAnswer:
        """List the people in the gallery by name."""
        service = service_of(request)

        def work() -> PeopleAnswer:
            gallery = service.require_gallery()
            page = gallery.people_page(search, offset, limit)
            pictures = gallery.pictured(person.id for person in page.people)
            return PeopleAnswer(
                total=page.total,
                people=[person_answer(person, pictures) for person in page.people],
                next=page.next,
            )

        return await service.database_queue.run(work)

    @route(
        app,
        "POST",
        "/v1/people",
        EnrolAnswer,
        Rule(Scope.ENROL, heavy=True, gallery=True),
        ("no-face", "several-faces", "low-quality", "doubtful", "not-enrolled"),
        enrolment,
        tags=["people"],
    )
    async def enrol(request: Request) -> EnrolAnswer:
        """Enrol a person. If the name is already enrolled, the faces are added to that person."""
        service = service_of(request)
        form = await read_form(request, enrolment, *service.settings.body_limits)
        fields = enrol_fields(form.texts, len(form.photos["photos"]))
        if fields.keep and not service.settings.keep_pictures:
            raise ProblemError(
                "invalid",
                "this service does not store thumbnails; omit `keep`, or start the service with --keep-pictures",
            )

        def work() -> EnrolAnswer:
            gallery = service.require_gallery()
            files = [named(upload) for upload in form.photos["photos"]]
            with explaining(files):
                done = gallery.enrol(
                    fields.name,
                    files,
                    fields.attributes,
                    fields.min_quality,
                    fields.keep,
                    fields.face,
                    fields.accept_doubtful,
                )
            return _enrol_answer(gallery, done, files)

        return await service.photo_queue.run(work)

    @route(app, "GET", "/v1/people/map", GalleryMap, READ, tags=["people"])
    async def map_of_people(request: Request, limit: Shown = 2000) -> GalleryMap:
        """Return a two-dimensional map of the gallery."""
        service = service_of(request)

        def work() -> GalleryMap:
            gallery = service.require_gallery()
            plan = gallery.map(limit)
            pictures = gallery.pictured(place.person.id for place in plan)
            points = [
                MapPoint(
                    person_id=place.person.id,
                    name=place.person.name,
                    x=place.x,
                    y=place.y,
                    faces=place.person.faces,
                    picture=pictures.get(place.person.id),
                )
                for place in plan
            ]
            return GalleryMap(points=points, total=len(gallery), method="pca")

        return await service.database_queue.run(work)

    @route(app, "GET", "/v1/people/{person_id}", PersonFaces, READ, tags=["people"])
    async def show(request: Request, person_id: PersonId, embeddings: Embeddings = False) -> PersonFaces:
        """Show a person and their faces."""
        service = service_of(request)
        check_embeddings(request, embeddings)

        def work() -> PersonFaces:
            gallery = service.require_gallery()
            found = _person(gallery, person_id)
            kept = gallery.store.faces(person_id)
            pictured = gallery.store.pictured([person_id]).get(person_id, [])
            return PersonFaces(
                **person_answer(found, {person_id: pictured[0]} if pictured else {}).model_dump(),
                kept=[_face_answer(face, face.id in pictured, embeddings) for face in kept],
                merged=gallery.merged(person_id),
            )

        return await service.database_queue.run(work)

    @route(app, "PATCH", "/v1/people/{person_id}", PersonAnswer, ENROL, tags=["people"])
    async def change(request: Request, person_id: PersonId, to: ChangePersonRequest) -> PersonAnswer:
        """Change the name or the attributes of a person, or both."""
        service = service_of(request)
        name = None if to.name is None else cleaned(to.name)

        def work() -> PersonAnswer:
            gallery = service.require_gallery()
            return person_answer(gallery.change(person_id, to.attributes, name), gallery.pictured([person_id]))

        return await service.database_queue.run(work)

    @route(app, "DELETE", "/v1/people/{person_id}", RemovalAnswer, ADMIN, tags=["people"])
    async def remove(request: Request, person_id: PersonId) -> RemovalAnswer:
        """Permanently delete a person and all their faces. This cannot be undone."""
        service = service_of(request)

        def work() -> RemovalAnswer:
            gallery = service.require_gallery()
            removal = gallery.remove(person_id)
            return RemovalAnswer(person_id=person_id, faces=removal.faces, backups=len(removal.backups))

        return await service.database_queue.run(work)

    @route(app, "POST", "/v1/people/{person_id}/merge", PersonAnswer, ENROL, tags=["people"])
    async def merge(request: Request, person_id: PersonId, merge: MergeRequest) -> PersonAnswer:
        """Merge two people who are the same person. Returns the person that all faces now belong to."""
        service = service_of(request)

        def work() -> PersonAnswer:
            gallery = service.require_gallery()
            return person_answer(gallery.merge(person_id, merge.into), gallery.pictured([merge.into]))

        return await service.database_queue.run(work)

    @route(app, "POST", "/v1/people/{person_id}/undo-merge", UndoneMerge, ENROL, tags=["people"])
    async def undo_merge(request: Request, person_id: PersonId) -> UndoneMerge:
        """Undo the last merge into a person. Name, id, attributes and faces are restored."""
        service = service_of(request)

        def work() -> UndoneMerge:
            gallery = service.require_gallery()
            restored = gallery.undo_merge(person_id)
            pictures = gallery.pictured([restored.id, person_id])
            person = _person(gallery, person_id)
            return UndoneMerge(restored=person_answer(restored, pictures), person=person_answer(person, pictures))

        return await service.database_queue.run(work)

    @route(app, "PATCH", "/v1/people/faces/{face}", PersonAnswer, ENROL, tags=["people"])
    async def move_face(request: Request, face: FaceNumber, move: MoveFaceRequest) -> PersonAnswer:
        """Move a face to another person, who is created if needed. Returns that person."""
        service = service_of(request)
        name = cleaned(move.to)

        def work() -> PersonAnswer:
            gallery = service.require_gallery()
            _face(gallery, face)
            person_id = gallery.move(face, name)
            return person_answer(_person(gallery, person_id), gallery.pictured([person_id]))

        return await service.database_queue.run(work)

    @route(app, "DELETE", "/v1/people/faces/{face}", PersonAnswer, ADMIN, tags=["people"])
    async def remove_face(request: Request, face: FaceNumber) -> PersonAnswer:
        """Permanently delete a face. Returns the person it belonged to."""
        service = service_of(request)

        def work() -> PersonAnswer:
            gallery = service.require_gallery()
            person_id = _face(gallery, face)
            gallery.remove_face(face)
            return person_answer(_person(gallery, person_id), gallery.pictured([person_id]))

        return await service.database_queue.run(work)

    @route(
        app,
        "GET",
        "/v1/people/faces/{face}/picture",
        None,
        READ,
        tags=["people"],
        response_class=Response,
    )
    async def picture(request: Request, face: FaceNumber) -> Response:
        """Return the stored thumbnail of a face as WebP."""
        service = service_of(request)
        content = await service.database_queue.run(lambda: service.require_gallery().picture(face))
        if content is None:
            raise ProblemError("not-found", f"there is no thumbnail of a face {face}")
        return Response(content, media_type="image/webp")


def _person(gallery: Gallery, person_id: int) -> Person:
    found = gallery.person(person_id)
    if found is None:
        raise ProblemError("not-found", f"there is no person with the id {person_id} in the gallery")
    return found


def _face(gallery: Gallery, face: int) -> int:
    """Return the id of the person that a face belongs to."""
    person_id = gallery.store.person_of(face)
    if person_id is None:
        raise ProblemError("not-found", f"there is no face {face} in the gallery")
    return person_id


def _face_answer(face: KeptFace, has_picture: bool, embeddings: bool) -> PersonFace:
    return PersonFace(
        face=face.id,
        person_id=face.person_id,
        photo=face.photo,
        box=face.box,
        quality=face.quality,
        created=face.created,
        has_picture=has_picture,
        embedding=face.embedding.tolist() if embeddings else None,
    )


def _enrol_answer(gallery: Gallery, done: Enrolment, files: list[io.BytesIO]) -> EnrolAnswer:
    place = {id(file): number for number, file in enumerate(files)}

    def reason(failure: Failure) -> PhotoReason:
        photo: Any = failure.photo
        return PhotoReason(photo=place[id(photo)], name=photo.name, reason=failure.reason, type=kind_of(failure))

    return enrol_answer(gallery, done, reason)
