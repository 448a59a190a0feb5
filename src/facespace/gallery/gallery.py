"""A gallery: people one knows, and who somebody is among them, or nobody."""

import os
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from facespace.embed import Face, Failure, Space, as_photos
from facespace.errors import GalleryError, ImageError
from facespace.gallery.store import NewFace, Person, Store
from facespace.images import Photo, name_of
from facespace.metric import dequantise, squared_distances, template


@dataclass(frozen=True)
class Enrolment:
    """What was enrolled: the person, how many faces, and the photos left out."""

    person: str
    faces: int
    failures: tuple[Failure, ...]


@dataclass(frozen=True)
class Candidate:
    """Somebody a face may be: squared distance to their template, probability for even prior odds."""

    name: str
    distance: float
    probability: float


@dataclass(frozen=True)
class Identification:
    """Who a face is.

    box : left, top, right, bottom, in pixels of the photo
    person : the name, or None for nobody we know
    candidates : nearest first
    threshold : squared distance up to which the nearest is taken
    """

    box: tuple[float, float, float, float]
    person: str | None
    candidates: tuple[Candidate, ...]
    threshold: float


class Gallery:
    """People one knows, in one SQLite file. Use it in a `with` statement, or `close` it.

    Parameters
    ----------
    path : path
        Made if it does not exist.
    space : Space
        The one whose points the file holds.

    Raises
    ------
    GalleryError
        The file is not a gallery, is damaged, or holds points of another space.
    """

    def __init__(self, path: str | os.PathLike[str], space: Space):
        self._space = space
        self._store = Store(path, space.id, space.dimension)
        self._seen: tuple[int, int] | None = None
        self._names: tuple[str, ...] = ()
        self._templates = np.empty((0, space.dimension), np.float32)

    def __enter__(self) -> "Gallery":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self._store.people())

    def close(self) -> None:
        """Let the file go."""
        self._store.close()

    def enrol(self, name: str, photos: Photo | Iterable[Photo]) -> Enrolment:
        """Keep a person's face. Somebody already known gets the new faces added.

        Parameters
        ----------
        name : str
            Any Unicode, not blank.
        photos : a photo, or an iterable of photos
            Each must show exactly one face. One that cannot be used is reported, the rest are enrolled.

        Raises
        ------
        GalleryError
            The name is blank, no photo can be used, or the file cannot be written; nothing is changed then.
        """
        name = _clean(name)
        faces: list[NewFace] = []
        failures: list[Failure] = []
        for photo in as_photos(photos):
            try:
                found = self._space.faces(photo)
            except ImageError as error:
                failures.append(Failure(photo, str(error)))
                continue
            if len(found) == 1:
                faces.append(NewFace(name_of(photo), found[0].box, found[0].embedding))
            else:
                failures.append(Failure(photo, f"{len(found)} faces found; a photo to enrol must show just one"))
        if not faces:
            reasons = "; ".join(failure.reason for failure in failures[:3]) or "none were given"
            raise GalleryError(f"no photo of {name!r} can be enrolled: {reasons}")
        self._store.add(name, faces)
        return Enrolment(name, len(faces), tuple(failures))

    def identify(self, photo: Photo, far: float | None = None, top: int = 5) -> list[Identification]:
        """Who are the faces of a photo?

        Parameters
        ----------
        photo : a photo
        far : float or None
            False accept rate of one comparison to decide at, one of the card's; its default where None.
        top : int
            How many candidates to give for each face.

        Returns
        -------
        list of Identification
            One for each face, in reading order.

        Raises
        ------
        ImageError
            The photo cannot be used.
        """
        threshold = self._space.threshold(far)
        return [self._identify(face, threshold, top) for face in self._space.faces(photo)]

    def people(self) -> list[Person]:
        """Everybody in the gallery, by name."""
        return self._store.people()

    def remove(self, name: str) -> None:
        """Delete a person and all their faces for good; GalleryError where nobody has that name."""
        self._store.remove(_clean(name))

    def _identify(self, face: Face, threshold: float, top: int) -> Identification:
        names, templates = self._current()
        distances = squared_distances(face.embedding[None], templates)[0]
        order = np.argsort(distances, kind="stable")[:top]
        candidates = tuple(
            Candidate(names[i], float(distances[i]), float(self._space.probability(distances[i]))) for i in order
        )
        known = bool(candidates) and candidates[0].distance <= threshold
        return Identification(face.box, candidates[0].name if known else None, candidates, threshold)

    def _current(self) -> tuple[tuple[str, ...], NDArray[np.float32]]:
        """Names and templates, derived anew when this or another process has changed the file."""
        version = self._store.version()
        if version != self._seen:
            stored = self._store.faces()
            points = dequantise(stored.quantised)
            self._names = stored.names
            self._templates = np.array(
                [template(points[stored.owner == person]) for person in range(len(stored.names))], np.float32
            ).reshape(len(stored.names), self._space.dimension)
            self._seen = version
        return self._names, self._templates


def _clean(name: str) -> str:
    """One spelling for one name: the same letters may be coded in several ways."""
    cleaned = unicodedata.normalize("NFC", name).strip()
    if not cleaned:
        raise GalleryError("a person needs a name that is not blank")
    try:
        cleaned.encode()
    except UnicodeEncodeError:
        raise GalleryError(f"the name {cleaned!r} is not valid Unicode; type it anew") from None
    return cleaned
