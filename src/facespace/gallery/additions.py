"""Add a person's new faces to a gallery: collect the usable ones, settle doubts, store them, and report lookalikes."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from facespace.gallery.enrol import (
    FAILURE_KINDS,
    Assessment,
    ChooseFace,
    Doubt,
    Enrolment,
    NotEnrolledError,
    assess_new,
    kind_of,
    usable_face,
)
from facespace.gallery.identify import candidates_of
from facespace.gallery.records import Candidate, NewFace
from facespace.gallery.search import Search
from facespace.gallery.store import Store
from facespace.images import Photo, as_photo
from facespace.space import Failure, Space, as_photos

# Whether to enrol doubtful photos; a function is asked.
Accept = bool | Callable[[Doubt], bool]


@dataclass(frozen=True)
class NewFaces:
    """Faces to add to a person.

    name : of the person
    faces : at least one
    photos : the photo of each face, as it was given
    failures : photos that cannot be used
    """

    name: str
    faces: Sequence[NewFace]
    photos: Sequence[Photo]
    failures: tuple[Failure, ...] = ()


def usable_faces(
    space: Space,
    name: str,
    photos: Photo | Iterable[Photo],
    min_quality: float,
    keep: bool,
    choose: ChooseFace | None,
) -> NewFaces:
    """Find the face to enrol in each photo, see `usable_face`; NotEnrolledError if no photo can be used."""
    faces: list[NewFace] = []
    given: list[Photo] = []
    failures: list[Failure] = []
    for place, photo in enumerate(as_photos(photos)):
        try:
            as_photo(photo, f"photos[{place}]")
            faces.append(usable_face(space, photo, min_quality, keep, choose))
            given.append(photo)
        except tuple(FAILURE_KINDS) as error:
            failures.append(Failure(photo, str(error), kind_of(error)))
    if not faces:
        reasons = "; ".join(failure.reason for failure in failures[:3]) or "none were given"
        raise NotEnrolledError(f"no photo of {name!r} can be enrolled: {reasons}", tuple(failures))
    return NewFaces(name, faces, given, tuple(failures))


def add_faces(
    store: Store,
    search: Search,
    space: Space,
    new: NewFaces,
    attributes: Mapping[str, Any] | None,
    accept: Accept,
    threshold: Callable[[], float],
) -> Enrolment:
    """Assess the new faces of a person, and store those that are accepted.

    `threshold` returns the gallery's threshold for strangers, within which other people are lookalikes.
    """
    name, faces, given = new.name, new.faces, new.photos
    named = store.people_named(name)
    kept = store.faces(named[0].id) if named else []
    assessment = assess_new(faces, [face.embedding for face in kept], space.decision())
    accepted = _accepted(name, assessment, given, accept)
    places = sorted({*assessment.new, *(place for place, _ in accepted)})
    doubtful = [entry for entry in assessment.doubtful if entry not in accepted]
    if doubtful and not places and not assessment.duplicates:
        reasons = "; ".join(reason for _, reason in doubtful[:3])
        in_doubt = tuple(Failure(given[place], reason, "doubtful") for place, reason in doubtful)
        raise NotEnrolledError(f"no photo of {name!r} can be enrolled: {reasons}", (*new.failures, *in_doubt))
    added = [faces[place] for place in places]
    lookalikes = _lookalikes(store, search, space, added, named[0].id if named else None, threshold) if added else ()
    if added or attributes is not None:
        store.add(name, added, attributes)
    return Enrolment(
        name=name,
        faces=len(added),
        failures=new.failures,
        duplicates=tuple(Failure(given[place], reason) for place, reason in assessment.duplicates),
        doubtful=tuple(Failure(given[place], reason, "doubtful") for place, reason in doubtful),
        outliers=tuple(Failure(given[place], reason) for place, reason in (*assessment.outliers, *accepted)),
        lookalikes=lookalikes,
    )


def _accepted(name: str, assessment: Assessment, given: Sequence[Photo], accept: Accept) -> list[tuple[int, str]]:
    """Doubtful photos to enrol anyway; NotEnrolledError if all photos are doubtful and not accepted."""

    def asked(photos: tuple[Photo, ...], reason: str) -> bool:
        return accept(Doubt(name, photos, reason)) if callable(accept) else accept

    mixed = assessment.mixed
    if mixed is not None and not asked(tuple(given[place] for place in assessment.new), mixed):
        in_doubt = tuple(Failure(given[place], mixed, "doubtful") for place in assessment.new)
        raise NotEnrolledError(f"no photo of {name!r} can be enrolled: {mixed}", in_doubt)
    return [(place, reason) for place, reason in assessment.doubtful if asked((given[place],), reason)]


def _lookalikes(
    store: Store,
    search: Search,
    space: Space,
    faces: list[NewFace],
    own: int | None,
    threshold: Callable[[], float],
) -> tuple[Candidate, ...]:
    """Other people in the gallery who look like these faces, at the gallery's threshold for strangers."""
    limit = threshold()
    found: dict[int, Candidate] = {}
    with search.up_to_date():
        nearest = search.nearest(np.stack([face.embedding for face in faces]), 2)
        people = store.by_ids(int(i) for near in nearest for i in near.people)
    for near in nearest:
        for candidate in candidates_of(near, people, space):
            known = found.get(candidate.person_id)
            nearer = known is None or candidate.adjusted_distance < known.adjusted_distance
            if candidate.person_id != own and candidate.adjusted_distance <= limit and nearer:
                found[candidate.person_id] = candidate
    return tuple(sorted(found.values(), key=lambda candidate: candidate.adjusted_distance))
