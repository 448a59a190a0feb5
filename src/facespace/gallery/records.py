"""Records that a gallery stores and returns."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facespace.deprecated import Renamed

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Person:
    """A person in a gallery.

    name : any Unicode, unique in a gallery
    faces : number of stored faces
    created : UTC, ISO 8601
    id : assigned by the gallery, never reused
    attributes : JSON given by the caller
    """

    name: str
    faces: int
    created: str
    id: int = 0
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PeoplePage:
    """Some of a gallery's people, by name.

    people : those of this page
    total : number of people on all pages
    next : offset of the next page; None if this is the last
    """

    people: list[Person]
    total: int
    next: int | None


@dataclass(frozen=True)
class NewFace:
    """A face to enrol.

    photo : the photo it was found in
    box : left, top, right, bottom, in pixels of the photo
    embedding : float32, shape (d,), L2 norm 1
    quality : 0 to 1, or None if it could not be measured
    picture : a small picture of it, WebP, or None
    """

    photo: str
    box: Box
    embedding: NDArray[np.float32]
    quality: float | None = None
    picture: bytes | None = None


@dataclass(frozen=True)
class KeptFace:
    """A stored face; fields as in `NewFace`, the embedding rounded to float16.

    id : assigned by the gallery, never reused
    person_id : id of its person
    model : the space it was embedded in
    created : UTC, ISO 8601
    """

    id: int
    person_id: int
    photo: str
    box: Box
    quality: float | None
    embedding: NDArray[np.float32]
    model: str
    created: str

    person = Renamed("person_id")


@dataclass(frozen=True)
class Template:
    """The mean embedding of a person's faces.

    person_id : id of the person
    faces : number of faces averaged
    length : L2 norm of the mean before it was normalised; closer to 1 the more alike the faces
    code : int8, shape (d,), quantised
    """

    person_id: int
    faces: int
    length: float
    code: NDArray[np.int8]


@dataclass(frozen=True)
class Candidate:
    """A person that a face may show.

    name : of the person
    distance : squared distance to their template, the mean of their photos
    adjusted_distance : that distance converted to a template of a single photo. Templates of many photos are nearer to
        everybody, so candidates are ranked by this value and the threshold applies to it
    probability : that the face shows this person rather than one other person, for even prior odds
    person_id : id of the person
    """

    name: str
    distance: float
    adjusted_distance: float
    probability: float
    person_id: int = 0

    person = Renamed("person_id")


@dataclass(frozen=True)
class Removal:
    """The result of a permanent deletion.

    name : of the person
    faces : number of faces deleted
    backups : earlier backups; they still hold the person
    overwritten : whether all of its data are overwritten in the gallery's files and its index. If not, another process
        is in a long read, and the rest is overwritten after the next change, or when the gallery is next opened; or a
        vector engine could not be reached, or is large: `facespace gallery index` writes it again without the person
    """

    name: str
    faces: int
    backups: tuple[str, ...]
    overwritten: bool = True

    person = Renamed("name")


@dataclass(frozen=True)
class Event:
    """An entry of the audit log: what was done, when (UTC, ISO 8601), and by which account of the machine.

    detail : refers to people by id, never by name, so deleted names do not remain here
    hash : hex, over this entry and the previous hash
    """

    number: int
    time: str
    actor: str
    action: str
    detail: Mapping[str, Any]
    hash: str
