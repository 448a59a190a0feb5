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
    SimilarPerson,
    UndoneMerge,
)
from facespace.schemas.base import Number
from facespace.schemas.people import PhotoReason
from facespace.server.body import named, read_form
from facespace.server.enrolment import NAMES, cleaned, enrol_fields, explaining, kind_of
from facespace.server.keys import Scope
from facespace.server.photos import Embeddings, check_embeddings
from facespace.server.problems import Refusal
from facespace.server.routes import Rule, door
from facespace.server.service import service_of
from facespace.server.uploads import Wanted

PersonNumber = Annotated[Number, Path(description="Person id.")]
FaceNumber = Annotated[Number, Path(description="Face id.")]
Offset = Annotated[int, Query(description="Number of people to skip.", ge=0, le=2**31)]
Limit = Annotated[int, Query(description="Number of people per page.", ge=1, le=1000)]
Find = Annotated[str | None, Query(description="Part of a name; case is ignored.", max_length=500)]
Shown = Annotated[int, Query(description="Maximum number of people on the map.", ge=1, le=5000)]

READ, ENROL, ADMIN = (Rule(scope, gallery=True) for scope in (Scope.READ, Scope.ENROL, Scope.ADMIN))


def add_people(app: FastAPI, photos: int) -> None:
    """Declare the routes for people; `photos` is the maximum number of photos per request."""
    enrolment = Wanted(("photos",), most=photos, texts=NAMES)

    @door(app, "GET", "/v1/people", PeopleAnswer, READ, tags=["people"])
    async def people(request: Request, search: Find = None, offset: Offset = 0, limit: Limit = 100) -> PeopleAnswer:
        """List the people in the gallery by name."""
        service = service_of(request)

        def work() -> PeopleAnswer:
            gallery = service.known()
            found = [p for p in gallery.people() if search is None or search.casefold() in p.name.casefold()]
            shown = found[offset : offset + limit]
            pictures = gallery.pictured(person.id for person in shown)
            return PeopleAnswer(
                total=len(found),
                people=[_told(person, pictures) for person in shown],
                next=offset + limit if offset + limit < len(found) else None,
            )

        return await service.desk.run(work)

    @door(
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
            raise Refusal(
                "invalid",
                "this service does not store thumbnails; omit `keep`, or start the service with --keep-pictures",
            )

        def work() -> EnrolAnswer:
            gallery = service.known()
            files = [named(upload) for upload in form.photos["photos"]]
            with explaining(files):
                done = gallery.enrol(
                    fields.name,
                    files,
                    fields.attributes,
                    fields.least_quality,
                    fields.keep,
                    fields.face,
                    fields.accept_doubtful,
                )
            return _enrolled(gallery, done, files)

        return await service.photos.run(work)

    @door(app, "GET", "/v1/people/map", GalleryMap, READ, tags=["people"])
    async def map_of_people(request: Request, limit: Shown = 2000) -> GalleryMap:
        """Return a two-dimensional map of the gallery."""
        service = service_of(request)

        def work() -> GalleryMap:
            gallery = service.known()
            plan = gallery.map(limit)
            pictures = gallery.pictured(place.person.id for place in plan)
            points = [
                MapPoint(
                    person=place.person.id,
                    name=place.person.name,
                    x=place.x,
                    y=place.y,
                    faces=place.person.faces,
                    picture=pictures.get(place.person.id),
                )
                for place in plan
            ]
            return GalleryMap(points=points, total=len(gallery), method="pca")

        return await service.desk.run(work)

    @door(app, "GET", "/v1/people/{person}", PersonFaces, READ, tags=["people"])
    async def show(request: Request, person: PersonNumber, embeddings: Embeddings = False) -> PersonFaces:
        """Show a person and their faces."""
        service = service_of(request)
        check_embeddings(request, embeddings)

        def work() -> PersonFaces:
            gallery = service.known()
            found = _person(gallery, person)
            kept = gallery.store.faces(person)
            pictured = gallery.store.pictured([person]).get(person, [])
            return PersonFaces(
                **_told(found, {person: pictured[0]} if pictured else {}).model_dump(),
                kept=[_kept(face, face.id in pictured, embeddings) for face in kept],
                merged=gallery.merged(person),
            )

        return await service.desk.run(work)

    @door(app, "PATCH", "/v1/people/{person}", PersonAnswer, ENROL, tags=["people"])
    async def change(request: Request, person: PersonNumber, to: ChangePersonRequest) -> PersonAnswer:
        """Change the name or the attributes of a person, or both."""
        service = service_of(request)
        name = None if to.name is None else cleaned(to.name)

        def work() -> PersonAnswer:
            gallery = service.known()
            return _told(gallery.change(person, to.attributes, name), gallery.pictured([person]))

        return await service.desk.run(work)

    @door(app, "DELETE", "/v1/people/{person}", RemovalAnswer, ADMIN, tags=["people"])
    async def remove(request: Request, person: PersonNumber) -> RemovalAnswer:
        """Permanently delete a person and all their faces. This cannot be undone."""
        service = service_of(request)

        def work() -> RemovalAnswer:
            gallery = service.known()
            removal = gallery.remove(person)
            return RemovalAnswer(person=person, faces=removal.faces, backups=len(removal.backups))

        return await service.desk.run(work)

    @door(app, "POST", "/v1/people/{person}/merge", PersonAnswer, ENROL, tags=["people"])
    async def merge(request: Request, person: PersonNumber, merge: MergeRequest) -> PersonAnswer:
        """Merge two people who are the same person. Returns the person that all faces now belong to."""
        service = service_of(request)

        def work() -> PersonAnswer:
            gallery = service.known()
            return _told(gallery.merge(person, merge.into), gallery.pictured([merge.into]))

        return await service.desk.run(work)

    @door(app, "POST", "/v1/people/{person}/undo-merge", UndoneMerge, ENROL, tags=["people"])
    async def undo_merge(request: Request, person: PersonNumber) -> UndoneMerge:
        """Undo the last merge into a person. Name, id, attributes and faces are restored."""
        service = service_of(request)

        def work() -> UndoneMerge:
            gallery = service.known()
            restored = gallery.undo_merge(person)
            pictures = gallery.pictured([restored.id, person])
            return UndoneMerge(restored=_told(restored, pictures), person=_told(_person(gallery, person), pictures))

        return await service.desk.run(work)

    @door(app, "PATCH", "/v1/people/faces/{face}", PersonAnswer, ENROL, tags=["people"])
    async def move_face(request: Request, face: FaceNumber, move: MoveFaceRequest) -> PersonAnswer:
        """Move a face to another person, who is created if needed. Returns that person."""
        service = service_of(request)
        name = cleaned(move.to)

        def work() -> PersonAnswer:
            gallery = service.known()
            _face(gallery, face)
            person = gallery.move(face, name)
            return _told(_person(gallery, person), gallery.pictured([person]))

        return await service.desk.run(work)

    @door(app, "DELETE", "/v1/people/faces/{face}", PersonAnswer, ADMIN, tags=["people"])
    async def remove_face(request: Request, face: FaceNumber) -> PersonAnswer:
        """Permanently delete a face. Returns the person it belonged to."""
        service = service_of(request)

        def work() -> PersonAnswer:
            gallery = service.known()
            person = _face(gallery, face)
            gallery.remove_face(face)
            return _told(_person(gallery, person), gallery.pictured([person]))

        return await service.desk.run(work)

    @door(
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
        content = await service.desk.run(lambda: service.known().picture(face))
        if content is None:
            raise Refusal("not-found", f"there is no thumbnail of a face {face}")
        return Response(content, media_type="image/webp")


def _person(gallery: Gallery, number: int) -> Person:
    found = gallery.person(number)
    if found is None:
        raise Refusal("not-found", f"there is no person with the id {number} in the gallery")
    return found


def _face(gallery: Gallery, face: int) -> int:
    """Return the id of the person that a face belongs to."""
    person = gallery.store.person_of(face)
    if person is None:
        raise Refusal("not-found", f"there is no face {face} in the gallery")
    return person


def _told(person: Person, pictures: dict[int, int]) -> PersonAnswer:
    return PersonAnswer(
        person=person.id,
        name=person.name,
        faces=person.faces,
        created=person.created,
        attributes=dict(person.attributes),
        picture=pictures.get(person.id),
    )


def _kept(face: KeptFace, has_picture: bool, embeddings: bool) -> PersonFace:
    return PersonFace(
        face=face.id,
        person=face.person,
        photo=face.photo,
        box=face.box,
        quality=face.quality,
        created=face.created,
        has_picture=has_picture,
        embedding=face.embedding.tolist() if embeddings else None,
    )


def _enrolled(gallery: Gallery, done: Enrolment, files: list[io.BytesIO]) -> EnrolAnswer:
    person = gallery.store.find(done.person)
    place = {id(file): number for number, file in enumerate(files)}

    def reasons(failures: Any) -> list[PhotoReason]:
        return [
            PhotoReason(photo=place[id(f.photo)], name=f.photo.name, reason=f.reason, type=kind_of(f)) for f in failures
        ]

    return EnrolAnswer(
        person=_told(person, gallery.pictured([person.id])),
        added=done.faces,
        failures=reasons(done.failures),
        folded=reasons(done.folded),
        doubtful=reasons(done.doubtful),
        outliers=reasons(done.outliers),
        alike=[
            SimilarPerson(
                person=other.person,
                name=other.name,
                distance=other.distance,
                adjusted_distance=other.adjusted_distance,
                probability=other.probability,
            )
            for other in done.alike
        ],
    )
