"""Identify the faces of photos among the people of a gallery, or as nobody in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from facespace.deprecated import Renamed
from facespace.gallery.assignment import assign
from facespace.gallery.records import Box, Candidate, Person
from facespace.gallery.search import Nearest, Search
from facespace.gallery.store import Store
from facespace.images import Photo
from facespace.metric import as_points
from facespace.space import Face, Space

# Default false positive identification rate.
FPIR = 0.01

# Photos whose faces are searched together, and recorded in the audit log in one transaction.
BATCH = 32


@dataclass(frozen=True)
class Identification:
    """Who a face shows.

    box : left, top, right, bottom, in pixels of the photo
    name : of the person, or None if nobody in the gallery matches
    candidates : nearest first
    threshold : largest `adjusted_distance` at which a candidate matches
    fpir : largest fraction of strangers' faces that match somebody in a gallery of this size
    person_id : id of the person, or None
    """

    box: Box
    name: str | None
    candidates: tuple[Candidate, ...]
    threshold: float
    fpir: float = FPIR
    person_id: int | None = None

    person = Renamed("name")
    number = Renamed("person_id")


@dataclass(frozen=True)
class IdentifiedPhoto:
    """The result for one of many photos.

    photo : as it was given
    faces : in reading order
    failure : why the photo could not be used, or None
    """

    photo: Photo
    faces: tuple[Identification, ...]
    failure: str | None = None


def identify_groups(
    groups: Sequence[Sequence[Face]],
    store: Store,
    search: Search,
    space: Space,
    threshold: float,
    fpir: float,
    top: int,
    unique: bool,
    audit: bool,
) -> list[list[Identification]]:
    """Identify the faces of several photos in one search; `groups` has the faces of each photo."""
    faces = [face for group in groups for face in group]
    if not faces:
        return [[] for _ in groups]
    points = as_points([face.embedding for face in faces], space.dimension, "embeddings of faces")
    with search.up_to_date():
        nearest = search.nearest(points, top)
        people = store.by_ids(int(i) for near in nearest for i in near.people)
    found: list[list[Identification]] = []
    searches = []
    start = 0
    for group in groups:
        own = nearest[start : start + len(group)]
        start += len(group)
        chosen = _decide(own, threshold, unique)
        if group:
            searches.append({"faces": len(group), "found": chosen})
        found.append(
            [
                Identification(
                    face.box,
                    people[who].name if who in people else None,
                    candidates_of(near, people, space),
                    threshold,
                    fpir,
                    who if who in people else None,
                )
                for face, near, who in zip(group, own, chosen, strict=True)
            ]
        )
    if audit and not store.read_only:
        store.record("search", *searches)
    return found


def candidates_of(near: Nearest, people: Mapping[int, Person], space: Space) -> tuple[Candidate, ...]:
    """The nearest people of a face, as candidates."""
    return tuple(
        Candidate(people[person].name, distance, adjusted, float(space.probability(adjusted)), person)
        for person, distance, adjusted in zip(
            near.people.tolist(), near.distances.tolist(), near.adjusted.tolist(), strict=True
        )
    )


def _decide(nearest: list[Nearest], threshold: float, unique: bool) -> list[int | None]:
    """Return the person of each face of a photo, or None if nobody matches."""
    if not unique:
        return [int(near.people[0]) if len(near.people) and near.adjusted[0] <= threshold else None for near in nearest]
    people = sorted({int(person) for near in nearest for person in near.people})
    costs = np.full((len(nearest), len(people)), np.inf)
    for row, near in enumerate(nearest):
        accepted = near.adjusted <= threshold
        columns = np.searchsorted(people, near.people[accepted])
        # Distance below the threshold; a face exactly at it still gets its person.
        costs[row, columns] = near.adjusted[accepted] - threshold - 1e-9
    return [people[column] if column >= 0 else None for column in assign(costs).tolist()]
