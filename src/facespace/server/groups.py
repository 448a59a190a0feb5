"""Routes to keep the groups of a clustering job: enrol a group in the gallery, or download all groups as a ZIP."""

import csv
import io
import zipfile
from collections.abc import Iterator, Sequence
from tempfile import SpooledTemporaryFile
from typing import IO

from fastapi import FastAPI, Request
from fastapi.responses import Response, StreamingResponse
from starlette.background import BackgroundTask

from facespace.album import Album, AlbumCluster
from facespace.errors import GalleryError
from facespace.gallery import Enrolment, Gallery, NewFace
from facespace.gallery.names import clean_name
from facespace.schemas import EnrolAnswer, EnrolFacesRequest, Job
from facespace.schemas.people import PhotoReason
from facespace.server.clusters import RULE, WRONG, JobName, result_of, with_album
from facespace.server.enrolment import enrol_answer
from facespace.server.keys import Scope
from facespace.server.problems import ProblemError
from facespace.server.routes import Rule, route
from facespace.server.service import Service, service_of

# Larger downloads are spooled to disk.
_IN_MEMORY = 16 << 20
_PIECE = 1 << 16

# Thumbnails that are read from an album at once.
_PICTURES = 200

_COLUMNS = ("group", "name", "face", "photo", "left", "top", "right", "bottom", "membership")


def add_groups(app: FastAPI) -> None:
    """Declare the routes that keep the groups of a clustering job."""

    @route(
        app,
        "POST",
        "/v1/cluster/{job}/enrol",
        EnrolAnswer,
        Rule(Scope.ENROL, gallery=True),
        WRONG,
        tags=["cluster"],
    )
    async def enrol(request: Request, job: JobName, body: EnrolFacesRequest) -> EnrolAnswer:
        """Enrol faces of a clustering job as one person. They stay in the gallery when the job is deleted."""
        service = service_of(request)
        if body.keep and not service.settings.keep_pictures:
            raise ProblemError(
                "invalid",
                "this service does not store thumbnails; omit `keep`, or start the service with --keep-pictures",
            )
        return await with_album(request, job, lambda album, _: _enrol(service, album, body))

    @route(
        app,
        "GET",
        "/v1/cluster/{job}/download",
        None,
        RULE,
        WRONG,
        tags=["cluster"],
        response_class=Response,
    )
    async def download(request: Request, job: JobName) -> StreamingResponse:
        """Download all groups as a ZIP: groups.csv, groups.json, and a folder of face thumbnails per group."""
        file = await with_album(request, job, _zip)
        return StreamingResponse(
            _pieces(file),
            media_type="application/zip",
            headers={"Content-Disposition": 'attachment; filename="facespace-groups.zip"'},
            background=BackgroundTask(file.close),
        )


def _enrol(service: Service, album: Album, body: EnrolFacesRequest) -> EnrolAnswer:
    gallery = service.require_gallery()
    try:
        name = clean_name(body.name)
    except GalleryError as error:
        raise ProblemError("invalid", str(error)) from None
    faces = _new_faces(album, list(dict.fromkeys(body.faces)), body.keep)
    done = gallery.enrol_faces(name, faces, body.accept_doubtful)
    return _answer(gallery, done, faces)


def _new_faces(album: Album, numbers: Sequence[int], keep: bool) -> list[NewFace]:
    shown = {face.number: face for cluster in album.clusters() for face in cluster.faces}
    if unknown := [number for number in numbers if number not in shown]:
        raise ProblemError("not-found", f"there is no face {unknown[0]} in this job")
    pictures = album.thumbnails(numbers) if keep else [None] * len(numbers)
    return [
        NewFace(shown[number].photo, shown[number].box, embedding, None, picture)
        for number, embedding, picture in zip(numbers, album.embeddings(numbers), pictures, strict=True)
    ]


def _answer(gallery: Gallery, done: Enrolment, faces: list[NewFace]) -> EnrolAnswer:
    # If several faces are from one photo, report the position of the first.
    place = {face.photo: number for number, face in reversed(list(enumerate(faces)))}
    return enrol_answer(
        gallery,
        done,
        lambda failure: PhotoReason(photo=place[str(failure.photo)], name=str(failure.photo), reason=failure.reason),
    )


def _zip(album: Album, job: Job) -> IO[bytes]:
    file: IO[bytes] = SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - closed when it has been sent
    found = album.clusters()
    # WebP is already compressed.
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as packed:
        packed.writestr("groups.json", result_of(album, job).model_dump_json(indent=1), zipfile.ZIP_DEFLATED)
        packed.writestr("groups.csv", _table(found), zipfile.ZIP_DEFLATED)
        for cluster in found:
            numbers = [face.number for face in cluster.faces]
            for start in range(0, len(numbers), _PICTURES):
                some = numbers[start : start + _PICTURES]
                for number, content in zip(some, album.thumbnails(some), strict=True):
                    if content:
                        packed.writestr(f"faces/{_folder(cluster)}/{number}.webp", content)
    file.seek(0)
    return file


def _table(found: Sequence[AlbumCluster]) -> bytes:
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(_COLUMNS)
    for cluster in found:
        for face in cluster.faces:
            box = [f"{edge:.1f}" for edge in face.box]
            names = [_as_text(cluster.name or ""), face.number, _as_text(face.photo)]
            table.writerow([cluster.number, *names, *box, f"{face.membership:.4f}"])
    # With the byte order mark by which spreadsheets recognise UTF-8.
    return text.getvalue().encode("utf-8-sig")


def _as_text(cell: str) -> str:
    """Escape text that a spreadsheet would evaluate as a formula."""
    return f"'{cell}" if cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell


def _folder(cluster: AlbumCluster) -> str:
    """Return a folder name for a group that is valid on every file system."""
    name = "".join(letter if letter.isalnum() or letter in " -_" else "_" for letter in cluster.name or "")
    return f"{cluster.number:05d} {name.strip()}".strip()[:60].strip()


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    while piece := file.read(_PIECE):
        yield piece
