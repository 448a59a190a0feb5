"""The client that waits for each answer."""

import time
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, TypeVar

import httpx
from numpy.typing import ArrayLike
from pydantic import BaseModel, ValidationError

from facespace import schemas as s
from facespace.client import calls
from facespace.client.calls import Call, Sent
from facespace.client.errors import ServiceError
from facespace.client.waiting import Progress, finished, pauses

Answer = TypeVar("Answer")

# How often a call is sent again after 429, each time after what Retry-After says.
TRIES = 4


class Client:
    """A service, asked one call after the other. Use it in a `with` statement, or `close` it.

    Photos are paths or bytes. Every call raises ServiceError where the service refuses or cannot be reached, and
    ImageError where a photo cannot be read. A service that is busy is asked again when it says so, a few times.

    Parameters
    ----------
    base : str
        Such as http://127.0.0.1:8000.
    key : str or None
        API key.
    seconds : float
        Until an answer is given up.
    transport : httpx.BaseTransport or None
        How requests travel, where not over the network.
    """

    def __init__(
        self, base: str, key: str | None = None, seconds: float = 60.0, transport: httpx.BaseTransport | None = None
    ):
        self._http = httpx.Client(base_url=base, headers=headers_of(key), timeout=seconds, transport=transport)

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let the connections go."""
        self._http.close()

    def ask(self, call: Call[Answer]) -> Answer:
        """Send a call and wait for its answer."""
        for left in range(TRIES, 0, -1):
            try:
                response = self._http.request(**request_of(call))
            except httpx.HTTPError as error:
                raise unreachable(self._http.base_url, error) from None
            if response.status_code != 429 or left == 1:
                break
            time.sleep(pause(response))
        return answered(call, response)

    def service(self) -> s.ServiceAnswer:
        """What the service is, what it takes at most, and what this key may do."""
        return self.ask(calls.service())

    def model(self) -> s.ModelAnswer:
        """The model with its card, and the curves that follow from it."""
        return self.ask(calls.model())

    def faces(self, photo: Sent, crops: bool = False, embeddings: bool = False) -> s.FacesAnswer:
        """Every face of a photo."""
        return self.ask(calls.faces(photo, crops, embeddings))

    def faces_batch(self, photos: Iterable[Sent], crops: bool = False, embeddings: bool = False) -> s.FacesBatchAnswer:
        """Every face of several photos; one that cannot be used has a failure, and the others are answered."""
        return self.ask(calls.faces_batch(photos, crops, embeddings))

    def verify(
        self,
        a: Sent,
        b: Sent,
        far: float | None = None,
        crops: bool = False,
        face_a: int | None = None,
        face_b: int | None = None,
    ) -> s.VerifyAnswer:
        """Are two photos of the same person? `face_a` and `face_b` choose among several faces, from 1."""
        return self.ask(calls.verify(a, b, far, crops, face_a, face_b))

    def identify(
        self, photo: Sent, fpir: float | None = None, top: int | None = None, crops: bool = False
    ) -> s.IdentifyAnswer:
        """Who are the faces of a photo?"""
        return self.ask(calls.identify(photo, fpir, top, crops))

    def identify_batch(
        self, photos: Iterable[Sent], fpir: float | None = None, top: int | None = None, crops: bool = False
    ) -> s.IdentifyBatchAnswer:
        """Who are the faces of several photos? One that cannot be used has a failure, and the others are answered."""
        return self.ask(calls.identify_batch(photos, fpir, top, crops))

    def verify_person(
        self, person_id: int, photo: Sent, far: float | None = None, face: int | None = None, crops: bool = False
    ) -> s.PersonVerifyAnswer:
        """Is the face of a photo this person's? `face` chooses among several, from 1; else it is the largest."""
        return self.ask(calls.verify_person(person_id, photo, far, face, crops))

    def search(
        self,
        embeddings: ArrayLike,
        model: str = "default",
        fpir: float | None = None,
        top: int | None = None,
    ) -> s.EmbeddingSearchAnswer:
        """Who are these embeddings, shape (n, d)? `model` names their space, as `faces` gives it.

        EmbeddingError where they are not finite numbers of L2 norm 1; nothing is sent then.
        """
        return self.ask(calls.search(embeddings, model, fpir, top))

    def people(self, search: str | None = None, offset: int = 0, limit: int | None = None) -> s.PeopleAnswer:
        """Everybody in the gallery by name, a page at a time."""
        return self.ask(calls.people(search, offset, limit))

    def person(self, number: int) -> s.PersonFaces:
        """A person with their faces."""
        return self.ask(calls.person(number))

    def enrol(
        self,
        name: str,
        photos: Iterable[Sent],
        attributes: Mapping[str, Any] | None = None,
        least_quality: float | None = None,
        keep: bool = False,
        face: int | None = None,
        accept_doubtful: bool = False,
    ) -> s.EnrolAnswer:
        """Keep a person's faces. Of one photo that shows several, `face` chooses, from 1 in reading order."""
        return self.ask(calls.enrol(name, photos, attributes, least_quality, keep, face, accept_doubtful))

    def change(
        self, number: int, name: str | None = None, attributes: Mapping[str, Any] | None = None
    ) -> s.PersonAnswer:
        """Give a person another name, other attributes, or both."""
        return self.ask(calls.change(number, name, attributes))

    def remove(self, number: int) -> s.RemovalAnswer:
        """Delete a person and all their faces for good."""
        return self.ask(calls.remove(number))

    def merge(self, number: int, into: int) -> s.PersonAnswer:
        """Give all faces of a person to another, who is the answer."""
        return self.ask(calls.merge(number, into))

    def undo_merge(self, number: int) -> s.UndoneMerge:
        """Take back the last merge into a person."""
        return self.ask(calls.undo_merge(number))

    def move_face(self, face: int, to: str) -> s.PersonAnswer:
        """Give one face to somebody else."""
        return self.ask(calls.move_face(face, to))

    def remove_face(self, face: int) -> s.PersonAnswer:
        """Delete one face for good."""
        return self.ask(calls.remove_face(face))

    def picture(self, face: int) -> bytes:
        """The small picture kept of a face, WebP."""
        return self.ask(calls.picture(face))

    def start_cluster(self, photos: Iterable[Sent]) -> s.Job:
        """Begin to group the faces of photos by person."""
        return self.ask(calls.start_cluster(photos))

    def job(self, name: str) -> s.Job:
        """How far a clustering is."""
        return self.ask(calls.job(name))

    def wait(self, name: str, timeout: float | None = None, on_progress: Progress | None = None) -> s.Job:
        """Wait until a clustering is done.

        Parameters
        ----------
        name : str
            Of the job.
        timeout : float or None
            Seconds until ServiceError is raised; the job goes on. As long as it takes where None.
        on_progress : callable or None
            Called with the job at each look, for a progress bar.

        Raises
        ------
        ServiceError
            It failed, was cancelled, does not exist, or takes longer than `timeout`.
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
        self, photos: Iterable[Sent], timeout: float | None = None, on_progress: Progress | None = None
    ) -> s.ClusterResult:
        """Group the faces of photos by person and wait for the result; parameters and errors as of `wait`."""
        started = self.start_cluster(photos)
        self.wait(started.job, timeout, on_progress)
        return self.clusters(started.job)

    def cancel(self, name: str) -> s.Job:
        """Stop a clustering."""
        return self.ask(calls.cancel(name))

    def delete_job(self, name: str) -> None:
        """Delete a clustering with all its faces."""
        self.ask(calls.delete_job(name))

    def clusters(self, name: str) -> s.ClusterResult:
        """The people of a clustering that is done."""
        return self.ask(calls.clusters(name))

    def questions(self, name: str, most: int = 20) -> s.Questions:
        """Pairs of faces to ask a person about."""
        return self.ask(calls.questions(name, most))

    def answer(self, name: str, a: int, b: int, same: bool) -> s.DecisionMade:
        """Say of two faces that they are the same person, or not."""
        return self.ask(calls.answer(name, a, b, same))

    def undo(self, name: str, decision: int | None = None) -> s.DecisionAnswer:
        """Take a decision back, the last where None."""
        return self.ask(calls.undo(name, decision))


def headers_of(key: str | None) -> dict[str, str]:
    """What every request carries."""
    return {"Authorization": f"Bearer {key}"} if key else {}


def request_of(call: Call[Any]) -> dict[str, Any]:
    """A call as httpx's request."""
    asked: dict[str, Any] = {
        "method": call.method,
        "url": call.path,
        "params": {name: value for name, value in call.query.items() if value is not None},
    }
    if call.files:
        asked |= {"files": list(call.files), "data": dict(call.form)}
    elif call.body is not None:
        asked["json"] = call.body.model_dump(mode="json", exclude_none=True)
    return asked


def pause(response: httpx.Response) -> float:
    """Seconds to wait before asking again."""
    told = response.headers.get("retry-after", "1")
    return float(told) if told.isdecimal() else 1.0


def answered(call: Call[Answer], response: httpx.Response) -> Answer:
    """The answer to a call; ServiceError where it was refused."""
    if response.is_success:
        try:
            if issubclass(call.answer, BaseModel):
                return call.answer.model_validate_json(response.content)
            return response.content if call.answer is bytes else None  # type: ignore[return-value]
        except ValidationError:
            raise ServiceError(f"{response.url} is no facespace service of this version: check the address") from None
    again = pause(response) if "retry-after" in response.headers else None
    try:
        problem = s.Problem.model_validate_json(response.content)
    except ValidationError:
        raise ServiceError(f"{response.url} answered {response.status_code}: check the address", None, again) from None
    raise ServiceError(f"{problem.title}: {problem.detail}", problem, again)


def unreachable(base: httpx.URL, error: httpx.HTTPError) -> ServiceError:
    """The error where nothing answers."""
    reason = str(error) or type(error).__name__
    return ServiceError(f"cannot reach the service at {base}: {reason}; check the address, and that it runs")
