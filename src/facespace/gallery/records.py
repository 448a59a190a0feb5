"""What a gallery keeps and tells, as records."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Person:
    """Somebody in a gallery.

    name : any Unicode, once in a gallery
    faces : how many are kept
    created : UTC, ISO 8601
    id : the gallery's own number, never given twice
    attributes : whatever JSON was given for them
    """

    name: str
    faces: int
    created: str
    id: int = 0
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class NewFace:
    """A face to keep.

    photo : what it was found in
    box : left, top, right, bottom, in pixels of the photo
    embedding : float32, shape (d,), L2 norm 1
    quality : 0 to 1, or None where it could not be judged
    picture : a small picture of it, WebP, or None
    """

    photo: str
    box: Box
    embedding: NDArray[np.float32]
    quality: float | None = None
    picture: bytes | None = None


@dataclass(frozen=True)
class KeptFace:
    """A face of a gallery; fields as of `NewFace`, the embedding to the precision of float16.

    id : the gallery's own number, never given twice
    person : id of whose it is
    model : the space it was embedded in
    created : UTC, ISO 8601
    """

    id: int
    person: int
    photo: str
    box: Box
    quality: float | None
    embedding: NDArray[np.float32]
    model: str
    created: str


@dataclass(frozen=True)
class Template:
    """One point for all faces of a person.

    person : id
    faces : how many it is the mean of
    length : of the mean before it was scaled to 1; the more alike the faces, the nearer to 1
    code : int8, shape (d,), quantised
    """

    person: int
    faces: int
    length: float
    code: NDArray[np.int8]


@dataclass(frozen=True)
class Candidate:
    """Somebody a face may be.

    name : of the person
    distance : squared distance to their template, the mean of their photos
    adjusted_distance : that distance as if the template were a single photo. Templates of many photos are nearer to
        everybody, so this is what people with any number of photos are ranked by and what the threshold is for
    probability : that it is them and not one other person, for even prior odds
    person : id
    """

    name: str
    distance: float
    adjusted_distance: float
    probability: float
    person: int = 0


@dataclass(frozen=True)
class Removal:
    """What was deleted for good.

    person : the name
    faces : how many
    backups : made before; they still hold the person
    overwritten : whether no byte of it is left in the gallery's files and its index. If not, another process is reading
        for long, and the rest is overwritten after the next change, or when the gallery is next opened; or a vector
        engine could not be reached or is large, and `facespace gallery index` writes it again without the person
    """

    person: str
    faces: int
    backups: tuple[str, ...]
    overwritten: bool = True


@dataclass(frozen=True)
class Event:
    """An entry of the audit log: what was done, when (UTC, ISO 8601), by which account of the machine.

    detail : people by id, never by name, so that a deleted name is gone from here too
    hash : hex, over this entry and the hash of the one before
    """

    number: int
    time: str
    actor: str
    action: str
    detail: Mapping[str, Any]
    hash: str
