"""Routes for clustering jobs: progress, cancellation, results, questions, corrections and undo."""

from collections.abc import Callable
from typing import Annotated, TypeVar

from fastapi import FastAPI, Path, Query, Request, Response

from facespace.album import Album
from facespace.schemas import (
    AlbumFaceAnswer,
    AnswerRequest,
    ClusterAnswer,
    ClusterResult,
    DecisionAnswer,
    DecisionMade,
    Decisions,
    FacePair,
    FailureAnswer,
    Job,
    Jobs,
    MergeClustersRequest,
    MoveFacesRequest,
    NameClusterRequest,
    NamedFace,
    Question,
    Questions,
    SplitRequest,
    UndoRequest,
)
from facespace.schemas.base import Number
from facespace.server.body import read_form
from facespace.server.keys import Scope
from facespace.server.problems import ProblemError
from facespace.server.routes import Rule, route
from facespace.server.service import Service, caller_of, service_of
from facespace.server.uploads import Upload, UploadSpec

T = TypeVar("T")

JobName = Annotated[str, Path(description="Job name.", max_length=40)]
Limit = Annotated[int, Query(description="Maximum number of questions.", ge=1, le=200)]
Most = Annotated[int | None, Query(deprecated=True, description="Deprecated: use `limit`.", ge=1, le=200)]

RULE = Rule(Scope.ENROL)
WRONG = ("not-found", "conflict")

# More questions than any clustering has.
_ALL = 2**31


def add_clusters(app: FastAPI, photos: int) -> None:
    """Declare the routes for clustering; `photos` is the maximum number per job."""
    uploads = UploadSpec(("photos",), limit=photos)

    @route(app, "POST", "/v1/cluster", Job, Rule(Scope.ENROL, heavy=True), body=uploads, status=202, tags=["cluster"])
    async def start(request: Request) -> Job:
        """Start a job that groups the faces in photos by person. Photos are not stored; thumbnails of faces are."""
        service = service_of(request)
        form = await read_form(
            request,
            uploads,
            service.settings.photo_bytes,
            service.settings.cluster_bytes,
            service.settings.request_bytes,
        )
        return service.jobs.start(caller_of(request).name, _by_name(form.photos["photos"]))

    @route(app, "GET", "/v1/cluster", Jobs, RULE, tags=["cluster"])
    async def jobs(request: Request) -> Jobs:
        """List the caller's jobs, newest first."""
        service, caller = service_of(request), caller_of(request)
        found = await service.database_queue.run(lambda: service.jobs.mine(caller.name, Scope.ADMIN in caller.scopes))
        return Jobs(jobs=found)

    @route(app, "GET", "/v1/cluster/{job}", Job, RULE, WRONG, tags=["cluster"])
    async def show(request: Request, job: JobName) -> Job:
        """Show the progress of a job."""
        service = service_of(request)
        return await service.database_queue.run(lambda: _find(request, service, job))

    @route(app, "POST", "/v1/cluster/{job}/cancel", Job, RULE, WRONG, tags=["cluster"])
    async def cancel(request: Request, job: JobName) -> Job:
        """Cancel a job. Its state becomes `cancelled` shortly after, or stays `done` if it has finished."""
        service = service_of(request)

        def work() -> Job:
            found = _find(request, service, job)
            service.jobs.cancel(job)
            return found

        return await service.database_queue.run(work)

    @route(app, "DELETE", "/v1/cluster/{job}", None, RULE, WRONG, status=204, tags=["cluster"])
    async def delete(request: Request, job: JobName) -> Response:
        """Delete a job and all its faces. A running job is stopped."""
        service = service_of(request)

        def work() -> None:
            _find(request, service, job)
            service.jobs.delete(job)

        await service.database_queue.run(work)
        return Response(status_code=204)

    @route(app, "GET", "/v1/cluster/{job}/result", ClusterResult, RULE, WRONG, tags=["cluster"])
    async def result(request: Request, job: JobName) -> ClusterResult:
        """Return the people found by a finished job, with their faces."""
        return await with_album(request, job, result_of)

    @route(
        app,
        "GET",
        "/v1/cluster/{job}/faces/{face}/picture",
        None,
        RULE,
        WRONG,
        tags=["cluster"],
        response_class=Response,
    )
    async def picture(
        request: Request, job: JobName, face: Annotated[Number, Path(description="Face number.")]
    ) -> Response:
        """Return the thumbnail of a face as WebP."""
        (content,) = await with_album(request, job, lambda album, _: album.thumbnails([face]))
        if content is None:
            raise ProblemError("not-found", f"there is no face {face} in the job {job}")
        return Response(content, media_type="image/webp")

    @route(app, "GET", "/v1/cluster/{job}/questions", Questions, RULE, WRONG, tags=["cluster"])
    async def questions(request: Request, job: JobName, limit: Limit = 20, most: Most = None) -> Questions:
        """List pairs of faces to ask a user about, the most informative first."""

        def action(album: Album, _: Job) -> Questions:
            found = album.questions(_ALL)
            return Questions(
                questions=[
                    Question(a=q.a, b=q.b, clusters=q.clusters, probability=q.probability, gain=q.gain)
                    for q in found[: most or limit]
                ],
                total=len(found),
            )

        return await with_album(request, job, action)

    @route(app, "GET", "/v1/cluster/{job}/decisions", Decisions, RULE, WRONG, tags=["cluster"])
    async def decisions(request: Request, job: JobName) -> Decisions:
        """List all decisions about the faces of a job, oldest first, including undone ones."""
        return await with_album(request, job, lambda album, _: Decisions(decisions=_decisions(album)))

    @route(app, "POST", "/v1/cluster/{job}/answers", DecisionMade, RULE, WRONG, tags=["cluster"])
    async def answer(request: Request, job: JobName, answer: AnswerRequest) -> DecisionMade:
        """Mark two faces as the same person or different people. Rejected if it contradicts earlier decisions."""
        return await _decide(
            request,
            job,
            lambda album: album.same(answer.a, answer.b) if answer.same else album.different(answer.a, answer.b),
        )

    @route(app, "POST", "/v1/cluster/{job}/merge", DecisionMade, RULE, WRONG, tags=["cluster"])
    async def merge(request: Request, job: JobName, merge: MergeClustersRequest) -> DecisionMade:
        """Merge clusters of the same person into the first one."""
        return await _decide(request, job, lambda album: album.merge(list(dict.fromkeys(merge.clusters))))

    @route(app, "POST", "/v1/cluster/{job}/split", DecisionMade, RULE, WRONG, tags=["cluster"])
    async def split(request: Request, job: JobName, split: SplitRequest) -> DecisionMade:
        """Split faces off their cluster as another person."""
        return await _decide(request, job, lambda album: album.split(split.faces))

    @route(app, "POST", "/v1/cluster/{job}/move", DecisionMade, RULE, WRONG, tags=["cluster"])
    async def move(request: Request, job: JobName, move: MoveFacesRequest) -> DecisionMade:
        """Move faces to another cluster."""
        return await _decide(request, job, lambda album: album.move(move.faces, move.cluster))

    @route(app, "POST", "/v1/cluster/{job}/name", DecisionMade, RULE, WRONG, tags=["cluster"])
    async def name(request: Request, job: JobName, name: NameClusterRequest) -> DecisionMade:
        """Name the person of a cluster. Clusters with the same name are merged."""
        return await _decide(request, job, lambda album: album.name(name.cluster, name.name))

    @route(app, "POST", "/v1/cluster/{job}/undo", DecisionAnswer, RULE, WRONG, tags=["cluster"])
    async def undo(request: Request, job: JobName, undo: UndoRequest) -> DecisionAnswer:
        """Undo a decision. Its faces return to their previous clusters."""

        def action(album: Album, _: Job) -> DecisionAnswer:
            number = album.undo(undo.decision).id
            (undone,) = [entry for entry in _decisions(album) if entry.decision == number]
            return undone

        return await with_album(request, job, action)


def result_of(album: Album, job: Job) -> ClusterResult:
    """Return the people of an album with their faces, as the result of a job."""
    return ClusterResult(
        job=job,
        threshold=album.threshold,
        clusters=[
            ClusterAnswer(
                cluster=cluster.number,
                name=cluster.name,
                cohesion=cluster.cohesion,
                faces=[
                    AlbumFaceAnswer(face=face.number, photo=face.photo, box=face.box, membership=face.membership)
                    for face in cluster.faces
                ],
            )
            for cluster in album.clusters()
        ],
        failures=[FailureAnswer(photo=str(f.photo), reason=f.reason) for f in album.failures()],
    )


async def with_album(request: Request, job: str, action: Callable[[Album, Job], T]) -> T:
    """Call a function with the album of a finished job of the caller, in a thread."""
    service = service_of(request)

    def work() -> T:
        found = _find(request, service, job)
        with service.jobs.album(found) as album:
            return action(album, found)

    return await service.database_queue.run(work)


def _decisions(album: Album) -> list[DecisionAnswer]:
    pairs, names = album.pairs(), album.names_given()
    return [
        DecisionAnswer(
            decision=entry.id,
            what=entry.what,
            pairs=[FacePair(a=a, b=b, same=same) for a, b, same in pairs.get(entry.id, ())],
            naming=NamedFace(face=names[entry.id][0], name=names[entry.id][1]) if entry.id in names else None,
            made=entry.made,
            undone=entry.undone,
        )
        for entry in album.history()
    ]


async def _decide(request: Request, job: str, decide: Callable[[Album], int]) -> DecisionMade:
    return await with_album(request, job, lambda album, _: DecisionMade(decision=decide(album)))


def _find(request: Request, service: Service, job: str) -> Job:
    caller = caller_of(request)
    return service.jobs.find(job, caller.name, Scope.ADMIN in caller.scopes)


def _by_name(uploads: list[Upload]) -> dict[str, bytes]:
    """Return photos by name. The second photo with the same name becomes 'name (2)'."""
    named: dict[str, bytes] = {}
    for upload in uploads:
        name, number = upload.name, 1
        while name in named:
            number += 1
            name = f"{upload.name} ({number})"
        named[name] = upload.content
    return named
