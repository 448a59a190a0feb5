"""A gallery: people one knows, and who somebody is among them, or nobody."""

import json
import os
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from facespace.errors import GalleryError
from facespace.gallery import changes
from facespace.gallery.assignment import assign
from facespace.gallery.encryption import Secret
from facespace.gallery.enrol import (
    LEAST_QUALITY,
    REFUSALS,
    ChooseFace,
    Doubt,
    Enrolment,
    Judged,
    NotEnrolledError,
    judge_new,
    kind_of,
    usable_face,
)
from facespace.gallery.open_set import Crowd
from facespace.gallery.projection import Place, project
from facespace.gallery.records import Box, Candidate, Event, KeptFace, NewFace, Person, Removal
from facespace.gallery.search import Nearest, Search
from facespace.gallery.sql import space_of
from facespace.gallery.store import open_store
from facespace.gallery.undo import UndoneEnrolment, undo_enrolment, undo_enrolments_after
from facespace.images import Photo, as_photo
from facespace.metric import as_points
from facespace.space import Face, Failure, Space, as_photos

# Share of strangers that may be taken for somebody, where the caller does not say.
FPIR = 0.01


@dataclass(frozen=True)
class Identification:
    """Who a face is.

    box : left, top, right, bottom, in pixels of the photo
    person : the name, or None for nobody we know
    candidates : nearest first
    threshold : `adjusted_distance` of a candidate up to which they are taken for the person
    fpir : the share of strangers' faces that are at most taken for somebody in a gallery of this size
    number : id of the person, or None
    """

    box: Box
    person: str | None
    candidates: tuple[Candidate, ...]
    threshold: float
    fpir: float = FPIR
    number: int | None = None


class Gallery:
    """People one knows, in one SQLite file or a PostgreSQL database. Use it in a `with` statement, or `close` it.

    A file that the `with` statement made, and that nothing was ever written to, is deleted if the statement fails.

    Safe to share between threads; several processes may have it open. A file that may only be read can be listed and
    searched; such searches are not in the audit log. Where a method takes a `person`, that is their id, or their name.

    Parameters
    ----------
    place : path, or URL
        A file; or postgresql://... (extra `postgres`).
    space : Space or None
        The one whose points it holds. Without it an existing gallery can be listed, changed and copied, and nobody can
        be enrolled or identified.
    secret : Secret or None
        Encrypts names, photos and embeddings (extra `encryption`); see `read_key`.
    create : bool
        Make it where it does not exist; else that is an error.

    Raises
    ------
    GalleryError
        Not a gallery, damaged, of another space, or under another key.
    ModelError
        The space's card does not say what a distance means.
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
        self._crowd = None if impostors is None else Crowd(self.store, impostors)

    def __enter__(self) -> "Gallery":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A gallery that was only made in order to fail is not left behind.
        if kind is not None and self.store.discard_unused():
            return
        self.close()

    def __len__(self) -> int:
        return len(self.store.people())

    def close(self) -> None:
        """Let the file go."""
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
        least_quality: float = LEAST_QUALITY,
        keep: bool = False,
        choose: ChooseFace | None = None,
        accept_doubtful: bool | Callable[[Doubt], bool] = False,
    ) -> Enrolment:
        """Keep a person's face. Somebody already known gets the new faces added.

        Parameters
        ----------
        name : str
            Any Unicode, not blank.
        photos : a photo, or an iterable of photos
            Each must show exactly one face, good enough, unless `choose` says which one is meant. One that cannot be
            used is reported, the rest are enrolled.
        attributes : mapping or None
            JSON to keep with the person; None leaves what is there.
        least_quality : float
            Faces of a lower quality (share of ordinary photos that are worse) are refused; 0 takes all.
        keep : bool
            Keep a small picture of each face too, to show who is who. Photos themselves are never kept.
        choose : int, callable or None
            The number of the face to enrol, from 1 in reading order; or a function that is called with a photo of
            several faces and those faces, in reading order, and returns the place of the one to enrol, or None to leave
            the photo out. `facespace.gallery.largest_face` is one. Where None, photos of several faces are left out.
        accept_doubtful : bool or callable
            Whether to enrol photos that look like somebody else than the person's others, or like many people. False
            leaves them out, True enrols them; a callable is asked with a `Doubt`, before anything is enrolled.

        Returns
        -------
        Enrolment
            With what should be looked at: photos left out, photos that look like somebody else, people who look
            the same.

        Raises
        ------
        GalleryError
            The name is blank, no photo can be used (NotEnrolledError, with the reason of each), they look like several
            people, or the gallery cannot be written; nothing is changed then.
        """
        name = clean_name(name)
        faces: list[NewFace] = []
        given: list[Photo] = []
        failures: list[Failure] = []
        for place, photo in enumerate(as_photos(photos)):
            try:
                as_photo(photo, f"photos[{place}]")
                faces.append(usable_face(self._space, photo, least_quality, keep, choose))
                given.append(photo)
            except tuple(REFUSALS) as error:
                failures.append(Failure(photo, str(error), kind_of(error)))
        if not faces:
            reasons = "; ".join(failure.reason for failure in failures[:3]) or "none were given"
            raise NotEnrolledError(f"no photo of {name!r} can be enrolled: {reasons}", tuple(failures))
        return self._enrolled(name, faces, given, tuple(failures), attributes, accept_doubtful)

    def enrol_faces(
        self, name: str, faces: Sequence[NewFace], accept_doubtful: bool | Callable[[Doubt], bool] = False
    ) -> Enrolment:
        """Enrol faces that are embedded already, such as those of a group of photos; else as `enrol`.

        Parameters
        ----------
        name : str
            Any Unicode, not blank. Somebody already known by it gets the new faces added.
        faces : sequence of NewFace
        accept_doubtful : bool or callable
            As for `enrol`.

        Returns
        -------
        Enrolment
            Faces left out, or to be looked at, are named by their `photo`.

        Raises
        ------
        GalleryError
            As for `enrol`.
        """
        name = clean_name(name)
        if not faces:
            raise GalleryError(f"no face of {name!r} can be enrolled: none was given")
        points = as_points([face.embedding for face in faces], self._space.dimension, "embeddings of faces")
        checked = [replace(face, embedding=point) for face, point in zip(faces, points, strict=True)]
        return self._enrolled(name, checked, [face.photo for face in checked], (), None, accept_doubtful)

    def undo_enrol(self, name: str) -> UndoneEnrolment:
        """Take back the last enrolment of a person: the faces it added are deleted for good.

        A person whom that enrolment made is deleted too. GalleryError where there is no enrolment to take back.
        """
        undone = undo_enrolment(self.store, clean_name(name))
        self.index.forget()
        return undone

    def undo_enrolments_after(self, number: int) -> list[UndoneEnrolment]:
        """Take back all enrolments after an entry of the audit log, such as those of a whole folder."""
        undone = undo_enrolments_after(self.store, number)
        self.index.forget()
        return undone

    def identify(
        self, photo: Photo, fpir: float = FPIR, top: int = 5, once: bool = True, audit: bool = True
    ) -> list[Identification]:
        """Who are the faces of a photo?

        Parameters
        ----------
        photo : a photo
        fpir : float
            False positive identification rate: the share of faces of strangers that may at most be taken for somebody.
            The threshold follows from it, from how many people the gallery has, and how alike they are.
        top : int
            How many candidates to give for each face.
        once : bool
            Nobody is in a photo twice: where two faces are nearest to one person, the better keeps them.
        audit : bool
            Write the search, and who was found, to the audit log, unless the gallery may only be read.

        Returns
        -------
        list of Identification
            One for each face, in reading order.

        Raises
        ------
        ImageError
            The photo cannot be used.
        """
        if not 0 < fpir < 1:
            raise GalleryError(f"fpir must be above 0 and below 1, not {fpir}")
        return self.identify_faces(self._space.faces(photo), fpir, top, once, audit)

    def identify_faces(
        self, faces: Sequence[Face], fpir: float = FPIR, top: int = 5, once: bool = True, audit: bool = True
    ) -> list[Identification]:
        """Who are the faces of one photo, which are embedded already? As `identify`."""
        if not 0 < fpir < 1:
            raise GalleryError(f"fpir must be above 0 and below 1, not {fpir}")
        if not faces:
            return []
        points = as_points([face.embedding for face in faces], self._space.dimension, "embeddings of faces")
        threshold = self.threshold(fpir)
        with self.index.up_to_date():
            nearest = self.index.nearest(points, top)
            people = self.store.by_ids(int(i) for near in nearest for i in near.people)
        chosen = self._decide(nearest, threshold, once)
        if audit and not self.store.read_only:
            self.store.record("search", {"faces": len(faces), "found": chosen})
        return [
            Identification(
                face.box,
                people[who].name if who in people else None,
                self._named(near, people),
                threshold,
                fpir,
                who if who in people else None,
            )
            for face, near, who in zip(faces, nearest, chosen, strict=True)
        ]

    def threshold(self, fpir: float = FPIR) -> float:
        """The `adjusted_distance` up to which a candidate is taken for the person, for the people there are now.

        FPIR(N) <= N * FAR for N people (Boole's inequality), so the threshold is at most that of one comparison at
        fpir / N; where the people of the gallery are more alike than those of the card it is lower, as
        `facespace.metric.open_set` says. Somebody who seems to be enrolled twice does not make it lower.
        """
        if self._crowd is None:
            self._crowd = Crowd(self.store, self._space.card.impostors())
        return self._crowd.threshold(fpir, len(self.index))

    def people(self) -> list[Person]:
        """Everybody in the gallery, by name."""
        return self.store.people()

    def person(self, person_id: int) -> Person | None:
        """Somebody by id, or None."""
        return self.store.by_ids([person_id]).get(person_id)

    def find(self, name: str) -> Person:
        """Somebody by name; GalleryError, which names the nearest known, where nobody has it."""
        return self.store.find(clean_name(name))

    def faces(self, person: int | str) -> list[KeptFace]:
        """The faces kept of a person."""
        return changes.faces_of(self.store, self._id(person))

    def pictured(self, people: Iterable[int]) -> dict[int, int]:
        """For some people (ids), the first face of theirs of which a picture is kept."""
        return {person: faces[0] for person, faces in self.store.pictured(people).items()}

    def picture(self, face: int) -> bytes | None:
        """The small picture kept of a face, WebP; None where there is none."""
        return self.store.picture(face)

    def remove(self, person: int | str) -> Removal:
        """Delete a person and all their faces for good.

        A saved index goes too, as it holds the person; `facespace gallery index` builds it again.
        """
        removal = changes.remove(self.store, self._id(person))
        return removal if self.index.forget() else replace(removal, overwritten=False)

    def rename(self, person: int | str, name: str) -> Person:
        """Give a person another name; GalleryError where somebody else has it."""
        return self.change(person, name=name)

    def change(self, person: int | str, attributes: Mapping[str, Any] | None = None, name: str | None = None) -> Person:
        """Give a person other attributes, another name, or both; GalleryError, and no change, where it is taken."""
        return changes.change(self.store, self._id(person), None if name is None else clean_name(name), attributes)

    def merge(self, person: int | str, into: int | str) -> Person:
        """Two people were one: give all faces of one to the other, who is returned. `undo_merge` takes it back."""
        return changes.merge(self.store, self._id(person), self._id(into))

    def undo_merge(self, person: int | str) -> Person:
        """Take back the last merge into a person; returns who is somebody of their own again."""
        return changes.undo_merge(self.store, self._id(person))

    def merged(self, person: int | str) -> list[str]:
        """Names of who was merged into a person, the last one last: `undo_merge` takes back that one."""
        return changes.merged_into(self.store, self._id(person))

    def remove_face(self, face: int) -> None:
        """Delete one face (by the id that `faces` gives) for good; whose it was stays, if without faces."""
        changes.remove_face(self.store, face)
        self.index.forget()

    def move(self, face: int, to: int | str) -> int:
        """Give one face (by the id that `faces` gives) to another person, who is made where a name is unknown.

        Returns
        -------
        int
            The id of that person.
        """
        return changes.move_face(self.store, face, clean_name(to) if isinstance(to, str) else to)

    def map(self, most: int = 2000) -> list[Place]:
        """The people in two dimensions, to look around in; of more than `most`, those enrolled first."""
        return project(self.store, most)

    def audit(self) -> Iterator[Event]:
        """What was done with the gallery, oldest first."""
        return self.store.audit.events()

    def _enrolled(
        self,
        name: str,
        faces: Sequence[NewFace],
        given: Sequence[Photo],
        failures: tuple[Failure, ...],
        attributes: Mapping[str, Any] | None,
        accept_doubtful: bool | Callable[[Doubt], bool],
    ) -> Enrolment:
        """Judge the new faces of a person, and keep those that are fit to be kept."""
        named = self.store.people_named(name)
        kept = self.store.faces(named[0].id) if named else []
        judged = judge_new(faces, [face.embedding for face in kept], self._space.decision())
        accepted = self._accepted(name, judged, given, accept_doubtful)
        places = sorted({*judged.new, *(place for place, _ in accepted)})
        doubtful = [entry for entry in judged.doubtful if entry not in accepted]
        if doubtful and not places and not judged.folded:
            reasons = "; ".join(reason for _, reason in doubtful[:3])
            in_doubt = tuple(Failure(given[place], reason, "doubtful") for place, reason in doubtful)
            raise NotEnrolledError(f"no photo of {name!r} can be enrolled: {reasons}", (*failures, *in_doubt))
        new = [faces[place] for place in places]
        alike = self._alike(new, named[0].id if named else None)
        if new or attributes is not None:
            self.store.add(name, new, attributes)
        return Enrolment(
            person=name,
            faces=len(new),
            failures=failures,
            folded=tuple(Failure(given[place], reason) for place, reason in judged.folded),
            doubtful=tuple(Failure(given[place], reason, "doubtful") for place, reason in doubtful),
            outliers=tuple(Failure(given[place], reason) for place, reason in (*judged.outliers, *accepted)),
            alike=alike,
        )

    def _accepted(
        self, name: str, judged: Judged, given: Sequence[Photo], accept: bool | Callable[[Doubt], bool]
    ) -> list[tuple[int, str]]:
        """The doubtful photos to enrol all the same; GalleryError where all are in doubt and not accepted."""

        def asked(photos: tuple[Photo, ...], reason: str) -> bool:
            return accept(Doubt(name, photos, reason)) if callable(accept) else accept

        if judged.mixed is not None and not asked(tuple(given[place] for place in judged.new), judged.mixed):
            in_doubt = tuple(Failure(given[place], judged.mixed, "doubtful") for place in judged.new)
            raise NotEnrolledError(f"no photo of {name!r} can be enrolled: {judged.mixed}", in_doubt)
        return [(place, reason) for place, reason in judged.doubtful if asked((given[place],), reason)]

    def _alike(self, faces: list[NewFace], own: int | None) -> tuple[Candidate, ...]:
        """Others in the gallery who look like these faces, at the rate that strangers are taken for somebody."""
        if not faces:
            return ()
        threshold = self.threshold()
        found: dict[int, Candidate] = {}
        with self.index.up_to_date():
            nearest = self.index.nearest(np.stack([face.embedding for face in faces]), 2)
            people = self.store.by_ids(int(i) for near in nearest for i in near.people)
        for near in nearest:
            for candidate in self._named(near, people):
                known = found.get(candidate.person)
                nearer = known is None or candidate.adjusted_distance < known.adjusted_distance
                if candidate.person != own and candidate.adjusted_distance <= threshold and nearer:
                    found[candidate.person] = candidate
        return tuple(sorted(found.values(), key=lambda candidate: candidate.adjusted_distance))

    def _id(self, person: int | str) -> int:
        return self.find(person).id if isinstance(person, str) else int(person)

    def _decide(self, nearest: list[Nearest], threshold: float, once: bool) -> list[int | None]:
        """The person of each face, or None for nobody we know."""
        if not once:
            return [
                int(near.people[0]) if len(near.people) and near.adjusted[0] <= threshold else None for near in nearest
            ]
        people = sorted({int(person) for near in nearest for person in near.people})
        costs = np.full((len(nearest), len(people)), np.inf)
        for row, near in enumerate(nearest):
            accepted = near.adjusted <= threshold
            columns = np.searchsorted(people, near.people[accepted])
            # How far below the threshold; a face at it is still better with its person than without.
            costs[row, columns] = near.adjusted[accepted] - threshold - 1e-9
        return [people[column] if column >= 0 else None for column in assign(costs).tolist()]

    def _named(self, near: Nearest, people: Mapping[int, Person]) -> tuple[Candidate, ...]:
        return tuple(
            Candidate(people[person].name, distance, adjusted, float(self._space.probability(adjusted)), person)
            for person, distance, adjusted in zip(
                near.people.tolist(), near.distances.tolist(), near.adjusted.tolist(), strict=True
            )
        )


def clean_name(name: str) -> str:
    """One spelling for one name: the same letters may be coded in several ways."""
    cleaned = unicodedata.normalize("NFC", name).strip()
    if not cleaned:
        raise GalleryError("a person needs a name that is not blank")
    try:
        cleaned.encode()
    except UnicodeEncodeError:
        raise GalleryError(f"the name {cleaned!r} is not valid Unicode; type it again") from None
    return cleaned


def as_attributes(text: str | None) -> Mapping[str, Any] | None:
    """Attributes of a person from JSON text; GalleryError where it is no JSON object."""
    if text is None:
        return None
    try:
        found = json.loads(text)
    except ValueError as error:
        raise GalleryError(f"attributes must be a JSON object, such as '{{\"team\": 3}}': {error}") from None
    try:
        json.dumps(found, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise GalleryError("attributes have half a character in them, which is not valid Unicode") from None
    if not isinstance(found, dict):
        raise GalleryError("attributes must be a JSON object, such as '{\"team\": 3}'")
    return found
