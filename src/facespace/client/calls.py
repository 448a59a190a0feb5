"""The requests of all client methods, shared by the synchronous and the asynchronous client."""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from numpy.typing import ArrayLike
from pydantic import BaseModel

from facespace import schemas as s
from facespace.errors import ImageError
from facespace.metric import as_points

Answer = TypeVar("Answer")
PhotoLike = str | os.PathLike[str] | bytes
File = tuple[str, tuple[str, bytes]]


@dataclass(frozen=True)
class Call(Generic[Answer]):
    """A request.

    answer : the response model; bytes for an image; None for an empty response
    """

    method: str
    path: str
    answer: type[Answer]
    query: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[File, ...] = ()
    form: Mapping[str, str] = field(default_factory=dict)
    body: BaseModel | None = None


def service() -> Call[s.ServiceAnswer]:
    """As `Client.service`."""
    return Call("GET", "/v1/service", s.ServiceAnswer)


def model() -> Call[s.ModelAnswer]:
    """As `Client.model`."""
    return Call("GET", "/v1/models/default", s.ModelAnswer)


def faces(photo: PhotoLike, crops: bool, embeddings: bool) -> Call[s.FacesAnswer]:
    """As `Client.faces`."""
    query = {"crops": crops, "embeddings": embeddings}
    return Call("POST", "/v1/faces", s.FacesAnswer, query, (_file("photo", photo),))


def faces_batch(photos: Iterable[PhotoLike], crops: bool, embeddings: bool) -> Call[s.FacesBatchAnswer]:
    """As `Client.faces_batch`."""
    query = {"crops": crops, "embeddings": embeddings}
    return Call("POST", "/v1/faces/batch", s.FacesBatchAnswer, query, _files("photos", photos))


def verify(
    a: PhotoLike, b: PhotoLike, far: float | None, crops: bool, face_a: int | None = None, face_b: int | None = None
) -> Call[s.VerifyAnswer]:
    """As `Client.verify`."""
    query = {"far": far, "crops": crops, "face_a": face_a, "face_b": face_b}
    return Call("POST", "/v1/verify", s.VerifyAnswer, query, (_file("a", a), _file("b", b)))


def identify(photo: PhotoLike, fpir: float | None, top: int | None, crops: bool) -> Call[s.IdentifyAnswer]:
    """As `Client.identify`."""
    query = {"fpir": fpir, "top": top, "crops": crops}
    return Call("POST", "/v1/identify", s.IdentifyAnswer, query, (_file("photo", photo),))


def identify_batch(
    photos: Iterable[PhotoLike], fpir: float | None, top: int | None, crops: bool
) -> Call[s.IdentifyBatchAnswer]:
    """As `Client.identify_batch`."""
    query = {"fpir": fpir, "top": top, "crops": crops}
    return Call("POST", "/v1/identify/batch", s.IdentifyBatchAnswer, query, _files("photos", photos))


def verify_person(
    person_id: int, photo: PhotoLike, far: float | None, face: int | None, crops: bool
) -> Call[s.PersonVerifyAnswer]:
    """As `Client.verify_person`."""
    query = {"far": far, "face": face, "crops": crops}
    path = f"/v1/people/{person_id:d}/verify"
    return Call("POST", path, s.PersonVerifyAnswer, query, (_file("photo", photo),))


def search(embeddings: ArrayLike, model: str, fpir: float | None, top: int | None) -> Call[s.EmbeddingSearchAnswer]:
    """As `Client.search`."""
    probes = s.EmbeddingSearchRequest(model=model, embeddings=as_points(embeddings).tolist())
    return Call("POST", "/v1/search", s.EmbeddingSearchAnswer, {"fpir": fpir, "top": top}, body=probes)


def people(search: str | None, offset: int, limit: int | None) -> Call[s.PeopleAnswer]:
    """As `Client.people`."""
    return Call("GET", "/v1/people", s.PeopleAnswer, {"search": search, "offset": offset, "limit": limit})


def person(person_id: int) -> Call[s.PersonFaces]:
    """As `Client.person`."""
    return Call("GET", f"/v1/people/{person_id:d}", s.PersonFaces)


def enrol(
    name: str,
    photos: Iterable[PhotoLike],
    attributes: Mapping[str, Any] | None,
    min_quality: float | None,
    keep: bool,
    face: int | None = None,
    accept_doubtful: bool = False,
) -> Call[s.EnrolAnswer]:
    """As `Client.enrol`."""
    form = {"name": name, "keep": str(keep).lower(), "accept_doubtful": str(accept_doubtful).lower()}
    if attributes is not None:
        form["attributes"] = json.dumps(dict(attributes))
    if min_quality is not None:
        form["min_quality"] = str(min_quality)
    if face is not None:
        form["face"] = str(face)
    return Call("POST", "/v1/people", s.EnrolAnswer, files=_files("photos", photos), form=form)


def change(person_id: int, name: str | None, attributes: Mapping[str, Any] | None) -> Call[s.PersonAnswer]:
    """As `Client.change`."""
    to = s.ChangePersonRequest(name=name, attributes=None if attributes is None else dict(attributes))
    return Call("PATCH", f"/v1/people/{person_id:d}", s.PersonAnswer, body=to)


def remove(person_id: int) -> Call[s.RemovalAnswer]:
    """As `Client.remove`."""
    return Call("DELETE", f"/v1/people/{person_id:d}", s.RemovalAnswer)


def merge(person_id: int, into: int) -> Call[s.PersonAnswer]:
    """As `Client.merge`."""
    return Call("POST", f"/v1/people/{person_id:d}/merge", s.PersonAnswer, body=s.MergeRequest(into=into))


def undo_merge(person_id: int) -> Call[s.UndoneMerge]:
    """As `Client.undo_merge`."""
    return Call("POST", f"/v1/people/{person_id:d}/undo-merge", s.UndoneMerge)


def move_face(face: int, to: str) -> Call[s.PersonAnswer]:
    """As `Client.move_face`."""
    return Call("PATCH", f"/v1/people/faces/{face:d}", s.PersonAnswer, body=s.MoveFaceRequest(to=to))


def remove_face(face: int) -> Call[s.PersonAnswer]:
    """As `Client.remove_face`."""
    return Call("DELETE", f"/v1/people/faces/{face:d}", s.PersonAnswer)


def picture(face: int) -> Call[bytes]:
    """As `Client.picture`."""
    return Call("GET", f"/v1/people/faces/{face:d}/picture", bytes)


def start_cluster(photos: Iterable[PhotoLike]) -> Call[s.Job]:
    """As `Client.start_cluster`."""
    return Call("POST", "/v1/cluster", s.Job, files=_files("photos", photos))


def job(name: str) -> Call[s.Job]:
    """As `Client.job`."""
    return Call("GET", f"/v1/cluster/{name}", s.Job)


def cancel(name: str) -> Call[s.Job]:
    """As `Client.cancel`."""
    return Call("POST", f"/v1/cluster/{name}/cancel", s.Job)


def delete_job(name: str) -> Call[None]:
    """As `Client.delete_job`."""
    return Call("DELETE", f"/v1/cluster/{name}", type(None))


def clusters(name: str) -> Call[s.ClusterResult]:
    """As `Client.clusters`."""
    return Call("GET", f"/v1/cluster/{name}/result", s.ClusterResult)


def questions(name: str, limit: int) -> Call[s.Questions]:
    """As `Client.questions`."""
    return Call("GET", f"/v1/cluster/{name}/questions", s.Questions, {"limit": limit})


def answer(name: str, a: int, b: int, same: bool) -> Call[s.DecisionMade]:
    """As `Client.answer`."""
    return Call("POST", f"/v1/cluster/{name}/answers", s.DecisionMade, body=s.AnswerRequest(a=a, b=b, same=same))


def undo(name: str, decision: int | None) -> Call[s.DecisionAnswer]:
    """As `Client.undo`."""
    return Call("POST", f"/v1/cluster/{name}/undo", s.DecisionAnswer, body=s.UndoRequest(decision=decision))


def _files(field: str, photos: Iterable[PhotoLike]) -> tuple[File, ...]:
    return tuple(_file(field, photo) for photo in photos)


def _file(field: str, photo: PhotoLike) -> File:
    if isinstance(photo, bytes):
        return field, ("photo", photo)
    path = Path(photo)
    try:
        return field, (path.name, path.read_bytes())
    except OSError as error:
        raise ImageError(f"cannot read {path}: {error.strerror}; check the path") from None
