"""A gallery: enrol people and identify faces among them."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any

from facespace.errors import GalleryError
from facespace.gallery import changes
from facespace.gallery.additions import Accept, NewFaces, add_faces, usable_faces
from facespace.gallery.encryption import Secret
from facespace.gallery.enrol import MIN_QUALITY, ChooseFace, Doubt, Enrolment, as_new_face
from facespace.gallery.identify import BATCH, FPIR, Identification, IdentifiedPhoto, identify_groups
from facespace.gallery.names import clean_name
from facespace.gallery.open_set import OpenSet
from facespace.gallery.projection import Place, project
from facespace.gallery.records import Event, KeptFace, NewFace, PeoplePage, Person, Removal
from facespace.gallery.search import Search
from facespace.gallery.sql import space_of
from facespace.gallery.store import open_store
from facespace.gallery.undo import UndoneEnrolment, undo_enrolment, undo_enrolments_after
from facespace.images import Photo
from facespace.metric import as_points
from facespace.space import Face, Space


class Gallery:
    """People and their faces, in one SQLite file or a PostgreSQL database. Use it in a `with` statement, or `close` it.

    If the `with` statement fails, a file that it created and that is still empty is deleted.

    Threads may share a gallery; several processes may have it open. A read-only file can be listed and searched; such
    searches are not recorded in the audit log. Where a method takes a `person`, pass their id or their name.

    Parameters
    ----------
    place : path, or URL
        A file; or postgresql://... (extra `postgres`).
    space : Space or None
        The space whose embeddings it holds. Without it, an existing gallery can be listed, changed and backed up, but
        nobody can be enrolled or identified.
    secret : Secret or None
        Encrypts names, photos and embeddings (extra `encryption`); see `read_key`.
    create : bool
        Create the gallery if it does not exist; otherwise that is an error.

    Raises
    ------
    GalleryError
        It is not a gallery, is damaged, belongs to another space, or has another key.
    ModelError
        The space's card has no thresholds.
    """

    def __init__(
        self,
        place: str | os.PathLike[str],
        space: Space | None = None,
        secret: Secret | None = None,
        create: bool = True,
    ):
        self._opened_with = space
        impostors = None if space is None else space.card.impostors()
        if space is None:
            self.store = open_store(place, *space_of(os.fspath(place)), secret, create=False)
        else:
            self.store = open_store(place, space.id, space.dimension, secret, create)
        on_disk = not str(place).startswith(("postgresql://", "postgres://"))
        folder = Path(f"{os.fspath(place)}.index") if on_disk else None
        self.index = Search(self.store, impostors, folder)
        self._open_set = None if impostors is None else OpenSet(self.store, impostors)

    def __enter__(self) -> "Gallery":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Do not leave an empty gallery behind after a failure.
        if kind is not None and self.store.discard_unused():
            return
        self.close()

    def __len__(self) -> int:
        return len(self.store.people())

    def close(self) -> None:
        """Close the file or the connection."""
        self.store.close()

    @property
    def _space(self) -> Space:
        if self._opened_with is None:
            raise GalleryError(
                f"{self.store.where} was opened without a model; to enrol or identify, open it with one: "
                "Gallery(place, facespace.load())"
            )
        return self._opened_with

    def enrol(
        self,
        name: str,
        photos: Photo | Iterable[Photo],
        attributes: Mapping[str, Any] | None = None,
        min_quality: float = MIN_QUALITY,
        keep: bool = False,
        choose: ChooseFace | None = None,
        accept_doubtful: bool | Callable[[Doubt], bool] = False,
    ) -> Enrolment:
        """Enrol a person. If the name is in the gallery already, the new faces are added to that person.

        Parameters
        ----------
        name : str
            Any Unicode, not blank.
        photos : a photo, or an iterable of photos
            Each must show exactly one face of sufficient quality, unless `choose` selects one. Photos that cannot be
            used are reported, and the rest are enrolled.
        attributes : mapping or None
            JSON to store with the person; None keeps what is stored.
        min_quality : float
            Faces of lower quality (fraction of ordinary photos that are worse) are rejected; 0 accepts all.
        keep : bool
            Also store a small picture of each face, to show who is who. The photos themselves are never stored.
        choose : int, callable or None
            Which face to enrol from a photo of several: its number, from 1 in reading order; or a function that gets
            the photo and its faces in that order, and returns the index of the one to enrol, or None to skip the photo,
            such as `facespace.gallery.largest_face`. None skips photos of several faces.
        accept_doubtful : bool or callable
            Whether to enrol photos that look like somebody else than the person's others, or like many people. False
            skips them, True enrols them; a callable is asked with a `Doubt` before anything is enrolled.

        Returns
        -------
        Enrolment
            Lists what should be reviewed: photos left out, photos that look like somebody else, people who look
            the same.

        Raises
        ------
        GalleryError
            The name is blank, no photo can be used (NotEnrolledError, with the reason of each), they look like several
            people, or the gallery cannot be written. Nothing is changed.
        """
        new = usable_faces(self._space, clean_name(name), photos, min_quality, keep, choose)
        return self._add(new, attributes, accept_doubtful)

    def enrol_faces(
        self, name: str, faces: Sequence[NewFace | Face], accept_doubtful: bool | Callable[[Doubt], bool] = False
    ) -> Enrolment:
        """Enrol faces that are already embedded, such as those of a cluster; otherwise as `enrol`.

        Their quality is not checked.

        Parameters
        ----------
        name : str
            Any Unicode, not blank. If the name is in the gallery already, the faces are added to that person.
        faces : sequence of NewFace, or of Face
            A NewFace says which photo it comes from, which `facespace gallery upgrade` needs; a Face, as
            `Space.faces` returns it, does not.
        accept_doubtful : bool or callable
            As for `enrol`.

        Returns
        -------
        Enrolment
            Faces are named by their `photo`.

        Raises
        ------
        GalleryError
            As for `enrol`.
        """
        name = clean_name(name)
        if not faces:
            raise GalleryError(f"no face of {name!r} can be enrolled: the list of faces is empty")
        points = as_points([face.embedding for face in faces], self._space.dimension, "embeddings of faces")
        checked = [replace(as_new_face(face), embedding=point) for face, point in zip(faces, points, strict=True)]
        return self._add(NewFaces(name, checked, [face.photo for face in checked]), None, accept_doubtful)

    def undo_enrol(self, name: str) -> UndoneEnrolment:
        """Undo the last enrolment of a person: the faces it added are permanently deleted.

        If that enrolment created the person, they are deleted too. GalleryError if there is no enrolment to undo.
        """
        undone = undo_enrolment(self.store, clean_name(name))
        self.index.forget()
        return undone

    def undo_enrolments_after(self, number: int) -> list[UndoneEnrolment]:
        """Undo all enrolments after an entry of the audit log, such as those of a whole folder."""
        undone = undo_enrolments_after(self.store, number)
        self.index.forget()
        return undone

    def identify(
        self, photo: Photo, fpir: float = FPIR, top: int = 5, unique: bool = True, audit: bool = True
    ) -> list[Identification]:
        """Identify the faces of a photo.

        Parameters
        ----------
        photo : a photo
        fpir : float
            False positive identification rate: the largest fraction of strangers' faces that may match somebody.
            The threshold depends on it, on the number of people in the gallery, and on how alike they are.
        top : int
            Number of candidates to return for each face.
        unique : bool
            Each person matches at most one face of the photo: the assignment with the best total is used.
        audit : bool
            Record the search and its result in the audit log, unless the gallery is read-only.

        Returns
        -------
        list of Identification
            One for each face, in reading order.

        Raises
        ------
        ImageError
            The photo cannot be used.
        """
        _check_fpir(fpir)
        return self.identify_faces(self._space.faces(photo), fpir, top, unique, audit)

    def identify_faces(
        self, faces: Sequence[Face], fpir: float = FPIR, top: int = 5, unique: bool = True, audit: bool = True
    ) -> list[Identification]:
        """Identify the faces of one photo that are already embedded; otherwise as `identify`."""
        return self._identified([faces], fpir, top, unique, audit)[0]

    def identify_stream(
        self,
        photos: Iterable[Photo],
        fpir: float = FPIR,
        top: int = 5,
        unique: bool = True,
        audit: bool = True,
        workers: int | None = None,
    ) -> Iterator[IdentifiedPhoto]:
        """Identify the faces of many photos with several threads; results come in the order of the photos.

        Photos are read as they are needed, and searched in batches, so memory stays bounded. A photo that cannot be
        used is reported as a failure.

        Parameters
        ----------
        photos : iterable of photos
        fpir, top, unique, audit
            As for `identify`.
        workers : int or None
            Threads; None uses one per core.

        Returns
        -------
        iterator of IdentifiedPhoto
            One for each photo.
        """
        _check_fpir(fpir)
        found = self._space.stream(photos, workers)
        batches = iter(lambda: list(islice(found, BATCH)), [])
        return (
            IdentifiedPhoto(photo.photo, tuple(faces), photo.failure)
            for batch in batches
            for photo, faces in zip(
                batch, self._identified([photo.faces for photo in batch], fpir, top, unique, audit), strict=True
            )
        )

    def threshold(self, fpir: float = FPIR) -> float:
        """Largest `adjusted_distance` at which a candidate matches, for the people in the gallery now.

        FPIR(N) <= N * FAR for N people (Boole's inequality), so the threshold is at most that of one comparison at
        fpir / N. It is lower if the people of the gallery are more alike than those of the card, see
        `facespace.metric.open_set`. A person who seems to be enrolled twice does not lower it.
        """
        if self._open_set is None:
            self._open_set = OpenSet(self.store, self._space.card.impostors())
        return self._open_set.threshold(fpir, len(self.index))

    def people(self) -> list[Person]:
        """List everybody in the gallery, by name."""
        return self.store.people()

    def people_page(self, search: str | None = None, offset: int = 0, limit: int = 100) -> PeoplePage:
        """List some of the people, by name.

        Parameters
        ----------
        search : str or None
            Only people whose names contain this text, ignoring case.
        offset, limit : int
            Number of people to skip, at least 0, and the largest number to return, at least 1.
        """
        if offset < 0 or limit < 1:
            raise GalleryError(f"offset must be at least 0 and limit at least 1, not {offset} and {limit}")
        return self.store.page(search, offset, limit)

    def person(self, person_id: int) -> Person | None:
        """Return the person with this id, or None."""
        return self.store.by_ids([person_id]).get(person_id)

    def find(self, name: str) -> Person:
        """Return the person with this name; the GalleryError for an unknown name suggests the nearest known one."""
        return self.store.find(clean_name(name))

    def faces(self, person: int | str) -> list[KeptFace]:
        """List the stored faces of a person."""
        return changes.faces_of(self.store, self._id(person))

    def pictured(self, people: Iterable[int]) -> dict[int, int]:
        """For each of some people (ids) with a stored picture, the id of the first face that has one."""
        return {person: faces[0] for person, faces in self.store.pictured(people).items()}

    def picture(self, face: int) -> bytes | None:
        """Return the stored picture of a face, WebP; None if there is none."""
        return self.store.picture(face)

    def remove(self, person: int | str) -> Removal:
        """Permanently delete a person and all their faces.

        A saved index is deleted too, because it holds the person; `facespace gallery index` rebuilds it.
        """
        removal = changes.remove(self.store, self._id(person))
        return removal if self.index.forget() else replace(removal, overwritten=False)

    def rename(self, person: int | str, name: str) -> Person:
        """Rename a person; GalleryError if somebody else has the name."""
        return self.change(person, name=name)

    def change(self, person: int | str, attributes: Mapping[str, Any] | None = None, name: str | None = None) -> Person:
        """Change a person's attributes, name, or both; GalleryError, and no change, if the name is taken."""
        return changes.change(self.store, self._id(person), None if name is None else clean_name(name), attributes)

    def merge(self, person: int | str, into: int | str) -> Person:
        """Merge two entries of one person: move all faces to `into`, who is returned. `undo_merge` reverts it."""
        return changes.merge(self.store, self._id(person), self._id(into))

    def undo_merge(self, person: int | str) -> Person:
        """Undo the last merge into a person; returns the person who is separate again."""
        return changes.undo_merge(self.store, self._id(person))

    def merged(self, person: int | str) -> list[str]:
        """List the names of people merged into a person, oldest merge first; `undo_merge` undoes the last."""
        return changes.merged_into(self.store, self._id(person))

    def remove_face(self, face: int) -> None:
        """Permanently delete one face (an id from `faces`). Its person stays, even without faces."""
        changes.remove_face(self.store, face)
        self.index.forget()

    def move(self, face: int, to: int | str) -> int:
        """Move one face (an id from `faces`) to another person; an unknown name creates a person.

        Returns
        -------
        int
            The id of that person.
        """
        return changes.move_face(self.store, face, clean_name(to) if isinstance(to, str) else to)

    def map(self, limit: int = 2000) -> list[Place]:
        """Project the people onto a plane, for a map; if there are more than `limit`, those enrolled first."""
        return project(self.store, limit)

    def audit(self) -> Iterator[Event]:
        """Iterate over the audit log, oldest entry first."""
        return self.store.audit.events()

    def _add(self, new: NewFaces, attributes: Mapping[str, Any] | None, accept: Accept) -> Enrolment:
        return add_faces(self.store, self.index, self._space, new, attributes, accept, self.threshold)

    def _identified(
        self, groups: Sequence[Sequence[Face]], fpir: float, top: int, unique: bool, audit: bool
    ) -> list[list[Identification]]:
        _check_fpir(fpir)
        if not any(groups):
            return [[] for _ in groups]
        threshold = self.threshold(fpir)
        return identify_groups(groups, self.store, self.index, self._space, threshold, fpir, top, unique, audit)

    def _id(self, person: int | str) -> int:
        return self.find(person).id if isinstance(person, str) else int(person)


def _check_fpir(fpir: float) -> None:
    if not 0 < fpir < 1:
        raise GalleryError(f"fpir must be above 0 and below 1, not {fpir}")
