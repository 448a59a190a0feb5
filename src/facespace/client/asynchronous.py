"""The client for asyncio."""

import asyncio
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, TypeVar

import httpx
from numpy.typing import ArrayLike

from facespace import schemas as s
from facespace.client import calls
from facespace.client.calls import Call, PhotoLike
from facespace.client.synchronous import MAX_TRIES, headers_of, parsed, request_of, retry_delay, unreachable
from facespace.client.waiting import Progress, finished, pauses

Answer = TypeVar("Answer")


class AsyncClient:
    """Asynchronous version of `Client`. Use it in an `async with` statement, or call `close`.

    Parameters
    ----------
    base_url, key, timeout
        As for `Client`.
    transport : httpx.AsyncBaseTransport or None
    """

    def __init__(
        self,
        base_url: str,
        key: str | None = None,
        timeout: float = 60.0,
        transport: httpx.AsyncBaseTransport | None = None,
    ):
        self._http = httpx.AsyncClient(base_url=base_url, headers=headers_of(key), timeout=timeout, transport=transport)

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def send(self, call: Call[Answer]) -> Answer:
        """Send a call and return its response."""
        for left in range(MAX_TRIES, 0, -1):
            try:
                response = await self._http.request(**request_of(call))
            except httpx.HTTPError as error:
                raise unreachable(self._http.base_url, error) from None
            if response.status_code != 429 or left == 1:
                break
            await asyncio.sleep(retry_delay(response))
        return parsed(call, response)

    async def service(self) -> s.ServiceAnswer:
        """Describe the service: version, model, limits, and what this key is allowed to do."""
        return await self.send(calls.service())

    async def model(self) -> s.ModelAnswer:
        """Return the model with its card and the curves derived from it."""
        return await self.send(calls.model())

    async def faces(self, photo: PhotoLike, crops: bool = False, embeddings: bool = False) -> s.FacesAnswer:
        """Find the faces in a photo."""
        return await self.send(calls.faces(photo, crops, embeddings))

    async def faces_batch(
        self, photos: Iterable[PhotoLike], crops: bool = False, embeddings: bool = False
    ) -> s.FacesBatchAnswer:
        """Find the faces in several photos. An unusable photo has a `failure`; the others are processed."""
        return await self.send(calls.faces_batch(photos, crops, embeddings))

    async def verify(
        self,
        a: PhotoLike,
        b: PhotoLike,
        far: float | None = None,
        crops: bool = False,
        face_a: int | None = None,
        face_b: int | None = None,
    ) -> s.VerifyAnswer:
        """Verify that two photos show the same person. `face_a` and `face_b` choose a face by number, from 1."""
        return await self.send(calls.verify(a, b, far, crops, face_a, face_b))

    async def identify(
        self, photo: PhotoLike, fpir: float | None = None, top: int | None = None, crops: bool = False
    ) -> s.IdentifyAnswer:
        """Identify the faces in a photo."""
        return await self.send(calls.identify(photo, fpir, top, crops))

    async def identify_batch(
        self, photos: Iterable[PhotoLike], fpir: float | None = None, top: int | None = None, crops: bool = False
    ) -> s.IdentifyBatchAnswer:
        """Identify the faces in several photos. An unusable photo has a `failure`; the others are processed."""
        return await self.send(calls.identify_batch(photos, fpir, top, crops))

    async def verify_person(
        self, person_id: int, photo: PhotoLike, far: float | None = None, face: int | None = None, crops: bool = False
    ) -> s.PersonVerifyAnswer:
        """Verify that a photo shows this person. `face` chooses a face by number, from 1; default: the largest."""
        return await self.send(calls.verify_person(person_id, photo, far, face, crops))

    async def search(
        self,
        embeddings: ArrayLike,
        model: str = "default",
        fpir: float | None = None,
        top: int | None = None,
    ) -> s.EmbeddingSearchAnswer:
        """Identify faces by their embeddings, shape (n, d). `model` is the id of their space, as `faces` returns it.

        Raises EmbeddingError, before anything is sent, if they are not finite or do not have L2 norm 1.
        """
        return await self.send(calls.search(embeddings, model, fpir, top))

    async def people(self, search: str | None = None, offset: int = 0, limit: int | None = None) -> s.PeopleAnswer:
        """List the people in the gallery by name, one page at a time."""
        return await self.send(calls.people(search, offset, limit))

    async def person(self, person_id: int) -> s.PersonFaces:
        """Show a person and their faces."""
        return await self.send(calls.person(person_id))

    async def enrol(
        self,
        name: str,
        photos: Iterable[PhotoLike],
        attributes: Mapping[str, Any] | None = None,
        min_quality: float | None = None,
        keep: bool = False,
        face: int | None = None,
        accept_doubtful: bool = False,
    ) -> s.EnrolAnswer:
        """Enrol a person. With a single photo, `face` chooses a face by number, from 1 in reading order."""
        return await self.send(calls.enrol(name, photos, attributes, min_quality, keep, face, accept_doubtful))

    async def change(
        self, person_id: int, name: str | None = None, attributes: Mapping[str, Any] | None = None
    ) -> s.PersonAnswer:
        """Change the name or the attributes of a person, or both."""
        return await self.send(calls.change(person_id, name, attributes))

    async def remove(self, person_id: int) -> s.RemovalAnswer:
        """Permanently delete a person and all their faces."""
        return await self.send(calls.remove(person_id))

    async def merge(self, person_id: int, into: int) -> s.PersonAnswer:
        """Merge a person into another, who is returned."""
        return await self.send(calls.merge(person_id, into))

    async def undo_merge(self, person_id: int) -> s.UndoneMerge:
        """Undo the last merge into a person."""
        return await self.send(calls.undo_merge(person_id))

    async def move_face(self, face: int, to: str) -> s.PersonAnswer:
        """Move a face to another person."""
        return await self.send(calls.move_face(face, to))

    async def remove_face(self, face: int) -> s.PersonAnswer:
        """Permanently delete a face."""
        return await self.send(calls.remove_face(face))

    async def picture(self, face: int) -> bytes:
        """Return the stored thumbnail of a face as WebP."""
        return await self.send(calls.picture(face))

    async def start_cluster(self, photos: Iterable[PhotoLike]) -> s.Job:
        """Start a job that groups the faces in photos by person."""
        return await self.send(calls.start_cluster(photos))

    async def job(self, name: str) -> s.Job:
        """Show the progress of a clustering job."""
        return await self.send(calls.job(name))

    async def wait(self, name: str, timeout: float | None = None, on_progress: Progress | None = None) -> s.Job:
        """Wait until a clustering job is done.

        Parameters
        ----------
        name : str
            Name of the job.
        timeout : float or None
            Seconds until ServiceError is raised; the job continues. By default, wait as long as it takes.
        on_progress : callable or None
            Called with the job at each poll, for a progress bar.

        Raises
        ------
        ServiceError
            The job failed, was cancelled, does not exist, or takes longer than `timeout`.
        """
        seconds = pauses(name, timeout)
        while True:
            job = await self.job(name)
            if on_progress is not None:
                on_progress(job)
            if finished(job):
                return job
            await asyncio.sleep(next(seconds))

    async def cluster(
        self, photos: Iterable[PhotoLike], timeout: float | None = None, on_progress: Progress | None = None
    ) -> s.ClusterResult:
        """Group the faces in photos by person and wait for the result. Parameters and errors are those of `wait`."""
        started = await self.start_cluster(photos)
        await self.wait(started.job, timeout, on_progress)
        return await self.clusters(started.job)

    async def cancel(self, name: str) -> s.Job:
        """Cancel a clustering job."""
        return await self.send(calls.cancel(name))

    async def delete_job(self, name: str) -> None:
        """Delete a clustering job and all its faces."""
        await self.send(calls.delete_job(name))

    async def clusters(self, name: str) -> s.ClusterResult:
        """Return the result of a finished clustering job."""
        return await self.send(calls.clusters(name))

    async def questions(self, name: str, limit: int = 20) -> s.Questions:
        """List pairs of faces to ask a user about, the most informative first."""
        return await self.send(calls.questions(name, limit))

    async def answer(self, name: str, a: int, b: int, same: bool) -> s.DecisionMade:
        """Mark two faces as the same person or different people."""
        return await self.send(calls.answer(name, a, b, same))

    async def undo(self, name: str, decision: int | None = None) -> s.DecisionAnswer:
        """Undo a decision. Default: the last one."""
        return await self.send(calls.undo(name, decision))
