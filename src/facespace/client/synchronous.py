"""The synchronous client."""

import time
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, TypeVar

import httpx
from numpy.typing import ArrayLike
from pydantic import BaseModel, ValidationError

from facespace import schemas as s
from facespace.client import calls
from facespace.client.calls import Call, PhotoLike
from facespace.client.errors import ServiceError
from facespace.client.waiting import Progress, finished, pauses

Answer = TypeVar("Answer")

# Maximum number of attempts after status 429, each after the delay in Retry-After.
MAX_TRIES = 4


class Client:
    """Synchronous client for a service. Use it in a `with` statement, or call `close`.

    Photos are paths or bytes. Every method raises ServiceError if the service rejects the request or cannot be
    reached, and ImageError if a photo cannot be read. If the queue of the service is full, the request is retried a few
    times, after the delay that the service asks for.

    Parameters
    ----------
    base_url : str
        Base URL, such as http://127.0.0.1:8000.
    key : str or None
        API key.
    timeout : float
        Timeout of a request.
    transport : httpx.BaseTransport or None
        Custom transport, such as an ASGI transport for tests.
    """

    def __init__(
        self, base_url: str, key: str | None = None, timeout: float = 60.0, transport: httpx.BaseTransport | None = None
    ):
        self._http = httpx.Client(base_url=base_url, headers=headers_of(key), timeout=timeout, transport=transport)

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def send(self, call: Call[Answer]) -> Answer:
        """Send a call and return its response."""
        for left in range(MAX_TRIES, 0, -1):
            try:
                response = self._http.request(**request_of(call))
            except httpx.HTTPError as error:
                raise unreachable(self._http.base_url, error) from None
            if response.status_code != 429 or left == 1:
                break
            time.sleep(retry_delay(response))
        return parsed(call, response)

    def service(self) -> s.ServiceAnswer:
        """Describe the service: version, model, limits, and what this key is allowed to do."""
        return self.send(calls.service())

    def model(self) -> s.ModelAnswer:
        """Return the model with its card and the curves derived from it."""
        return self.send(calls.model())

    def faces(self, photo: PhotoLike, crops: bool = False, embeddings: bool = False) -> s.FacesAnswer:
        """Find the faces in a photo."""
        return self.send(calls.faces(photo, crops, embeddings))

    def faces_batch(
        self, photos: Iterable[PhotoLike], crops: bool = False, embeddings: bool = False
    ) -> s.FacesBatchAnswer:
        """Find the faces in several photos. An unusable photo has a `failure`; the others are processed."""
        return self.send(calls.faces_batch(photos, crops, embeddings))

    def verify(
        self,
        a: PhotoLike,
        b: PhotoLike,
        far: float | None = None,
        crops: bool = False,
        face_a: int | None = None,
        face_b: int | None = None,
    ) -> s.VerifyAnswer:
        """Verify that two photos show the same person. `face_a` and `face_b` choose a face by number, from 1."""
        return self.send(calls.verify(a, b, far, crops, face_a, face_b))

    def identify(
        self, photo: PhotoLike, fpir: float | None = None, top: int | None = None, crops: bool = False
    ) -> s.IdentifyAnswer:
        """Identify the faces in a photo."""
        return self.send(calls.identify(photo, fpir, top, crops))

    def identify_batch(
        self, photos: Iterable[PhotoLike], fpir: float | None = None, top: int | None = None, crops: bool = False
    ) -> s.IdentifyBatchAnswer:
        """Identify the faces in several photos. An unusable photo has a `failure`; the others are processed."""
        return self.send(calls.identify_batch(photos, fpir, top, crops))

    def verify_person(
        self, person_id: int, photo: PhotoLike, far: float | None = None, face: int | None = None, crops: bool = False
    ) -> s.PersonVerifyAnswer:
        """Verify that a photo shows this person. `face` chooses a face by number, from 1; default: the largest."""
        return self.send(calls.verify_person(person_id, photo, far, face, crops))

    def search(
        self,
        embeddings: ArrayLike,
        model: str = "default",
        fpir: float | None = None,
        top: int | None = None,
    ) -> s.EmbeddingSearchAnswer:
        """Identify faces by their embeddings, shape (n, d). `model` is the id of their space, as `faces` returns it.

        Raises EmbeddingError, before anything is sent, if they are not finite or do not have L2 norm 1.
        """
        return self.send(calls.search(embeddings, model, fpir, top))

    def people(self, search: str | None = None, offset: int = 0, limit: int | None = None) -> s.PeopleAnswer:
        """List the people in the gallery by name, one page at a time."""
        return self.send(calls.people(search, offset, limit))

    def person(self, person_id: int) -> s.PersonFaces:
        """Show a person and their faces."""
        return self.send(calls.person(person_id))

    def enrol(
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
        return self.send(calls.enrol(name, photos, attributes, min_quality, keep, face, accept_doubtful))

    def change(
        self, person_id: int, name: str | None = None, attributes: Mapping[str, Any] | None = None
    ) -> s.PersonAnswer:
        """Change the name or the attributes of a person, or both."""
        return self.send(calls.change(person_id, name, attributes))

    def remove(self, person_id: int) -> s.RemovalAnswer:
        """Permanently delete a person and all their faces."""
        return self.send(calls.remove(person_id))

    def merge(self, person_id: int, into: int) -> s.PersonAnswer:
        """Merge a person into another, who is returned."""
        return self.send(calls.merge(person_id, into))

    def undo_merge(self, person_id: int) -> s.UndoneMerge:
        """Undo the last merge into a person."""
        return self.send(calls.undo_merge(person_id))

    def move_face(self, face: int, to: str) -> s.PersonAnswer:
        """Move a face to another person."""
        return self.send(calls.move_face(face, to))

    def remove_face(self, face: int) -> s.PersonAnswer:
        """Permanently delete a face."""
        return self.send(calls.remove_face(face))

    def picture(self, face: int) -> bytes:
        """Return the stored thumbnail of a face as WebP."""
        return self.send(calls.picture(face))

    def start_cluster(self, photos: Iterable[PhotoLike]) -> s.Job:
        """Start a job that groups the faces in photos by person."""
        return self.send(calls.start_cluster(photos))

    def job(self, name: str) -> s.Job:
        """Show the progress of a clustering job."""
        return self.send(calls.job(name))

    def wait(self, name: str, timeout: float | None = None, on_progress: Progress | None = None) -> s.Job:
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
            job = self.job(name)
            if on_progress is not None:
                on_progress(job)
            if finished(job):
                return job
            time.sleep(next(seconds))

    def cluster(
        self, photos: Iterable[PhotoLike], timeout: float | None = None, on_progress: Progress | None = None
    ) -> s.ClusterResult:
        """Group the faces in photos by person and wait for the result. Parameters and errors are those of `wait`."""
        started = self.start_cluster(photos)
        self.wait(started.job, timeout, on_progress)
        return self.clusters(started.job)

    def cancel(self, name: str) -> s.Job:
        """Cancel a clustering job."""
        return self.send(calls.cancel(name))

    def delete_job(self, name: str) -> None:
        """Delete a clustering job and all its faces."""
        self.send(calls.delete_job(name))

    def clusters(self, name: str) -> s.ClusterResult:
        """Return the result of a finished clustering job."""
        return self.send(calls.clusters(name))

    def questions(self, name: str, limit: int = 20) -> s.Questions:
        """List pairs of faces to ask a user about, the most informative first."""
        return self.send(calls.questions(name, limit))

    def answer(self, name: str, a: int, b: int, same: bool) -> s.DecisionMade:
        """Mark two faces as the same person or different people."""
        return self.send(calls.answer(name, a, b, same))

    def undo(self, name: str, decision: int | None = None) -> s.DecisionAnswer:
        """Undo a decision. Default: the last one."""
        return self.send(calls.undo(name, decision))


def headers_of(key: str | None) -> dict[str, str]:
    """Return the headers of every request."""
    return {"Authorization": f"Bearer {key}"} if key else {}


def request_of(call: Call[Any]) -> dict[str, Any]:
    """Return the arguments of an httpx request for a call."""
    request: dict[str, Any] = {
        "method": call.method,
        "url": call.path,
        "params": {name: value for name, value in call.query.items() if value is not None},
    }
    if call.files:
        request |= {"files": list(call.files), "data": dict(call.form)}
    elif call.body is not None:
        request["json"] = call.body.model_dump(mode="json", exclude_none=True)
    return request


def retry_delay(response: httpx.Response) -> float:
    """Return the seconds to wait before a retry."""
    header = response.headers.get("retry-after", "1")
    return float(header) if header.isdecimal() else 1.0


def parsed(call: Call[Answer], response: httpx.Response) -> Answer:
    """Parse the response to a call. Raises ServiceError if it is an error."""
    if response.is_success:
        try:
            if issubclass(call.answer, BaseModel):
                return call.answer.model_validate_json(response.content)
            return response.content if call.answer is bytes else None  # type: ignore[return-value]
        except ValidationError:
            raise ServiceError(
                f"{response.url} is not a facespace service of a compatible version; check the address"
            ) from None
    retry_after = retry_delay(response) if "retry-after" in response.headers else None
    try:
        problem = s.Problem.model_validate_json(response.content)
    except ValidationError:
        raise ServiceError(
            f"{response.url} responded with status {response.status_code}; check the address", None, retry_after
        ) from None
    raise ServiceError(f"{problem.title}: {problem.detail}", problem, retry_after)


def unreachable(base: httpx.URL, error: httpx.HTTPError) -> ServiceError:
    """Return the error for a service that cannot be reached."""
    reason = str(error) or type(error).__name__
    return ServiceError(
        f"cannot reach the service at {base}: {reason}; check the address, and that the service is running"
    )
