"""The definition of an evaluation: photos, people, and what is compared with what."""

import itertools
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from facespace.errors import DataError
from facespace.evaluate.metrics import Pairs
from facespace.evaluate.photos import Photos

# Pairs of this fold are only used to choose the threshold.
TRAINING = -1


@dataclass(frozen=True)
class PairTrials:
    """Pairs to verify.

    pairs : Pairs, or None for all pairs, with random folds of people
    fold : int64, shape (p,), the fold of each pair, TRAINING if it is only used to choose the threshold; None for all
        pairs
    """

    pairs: Pairs | None = None
    fold: NDArray[np.int64] | None = None


@dataclass(frozen=True)
class SearchTrials:
    """Photos to enrol and probes, as indices; probes of people who are not enrolled are non-mated."""

    gallery: NDArray[np.int64]
    probes: NDArray[np.int64]


@dataclass(frozen=True)
class Protocol:
    """An evaluation protocol, independent of the space to evaluate.

    name : name on the command line
    words : description for the report
    photos : source of the photos
    names : the photos used
    people : names of the people
    labels : int64, shape (n,), the person of each photo: an index into `people`
    verify, search : pairs to verify, and gallery and probes; None if not part of the protocol
    cluster : whether the photos are clustered
    central : whether the subject of a photo is the face nearest to its centre instead of the largest
    notes : remarks needed to interpret the figures
    """

    name: str
    words: str
    photos: Photos = field(repr=False)
    names: tuple[str, ...]
    people: tuple[str, ...]
    labels: NDArray[np.int64]
    verify: PairTrials | None = None
    search: SearchTrials | None = None
    cluster: bool = False
    central: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ListedPair:
    """A pair of a list: two photos and their people, its fold, and its position in the file."""

    first: str
    second: str
    person: Hashable
    other: Hashable
    fold: int
    where: str


@dataclass(frozen=True)
class _Table:
    names: tuple[str, ...]
    people: tuple[Hashable, ...]
    labels: NDArray[np.int64]
    trials: PairTrials
    notes: tuple[str, ...]


def tabulate(listed: Sequence[ListedPair], where: str, folds_share_people: bool = False) -> _Table:
    """Number the photos and people of a list of pairs, and validate it.

    Parameters
    ----------
    listed : sequence of ListedPair
    where : str
        Name of the list for messages.
    folds_share_people : bool
        Whether a person in two folds gives a note instead of an error, for formats where this is usual.

    Raises
    ------
    DataError
        The list is empty, a pair occurs twice, a photo belongs to two people or is paired with itself, or a person is
        in two folds, so that a threshold would be chosen on people it is tested on.
    """
    if not listed:
        raise DataError(f"{where} lists no pairs")
    photos: dict[str, int] = {}
    people: dict[Hashable, int] = {}
    owner: dict[str, tuple[Hashable, str]] = {}
    fold_of: dict[Hashable, tuple[int, str]] = {}
    seen: dict[frozenset[str], str] = {}
    shared: set[Hashable] = set()
    for pair in listed:
        names = frozenset((pair.first, pair.second))
        if len(names) == 1:
            raise DataError(f"{pair.where}: {pair.first} is paired with itself")
        if names in seen:
            raise DataError(f"{pair.where}: this pair already occurs in {seen[names]}; remove one of the two")
        seen[names] = pair.where
        for photo, person in ((pair.first, pair.person), (pair.second, pair.other)):
            before, line = owner.setdefault(photo, (person, pair.where))
            if before != person:
                raise DataError(f"{pair.where}: {photo} belongs to {person} here and to {before} in {line}")
            fold, line = fold_of.setdefault(person, (pair.fold, pair.where))
            if fold != pair.fold and folds_share_people:
                shared.add(person)
            elif fold != pair.fold:
                raise DataError(
                    f"{pair.where}: {person} is in fold {_fold_name(pair.fold)} here and in fold {_fold_name(fold)} "
                    f"in {line}; folds must not share people, since thresholds must be chosen on other people"
                )
            photos.setdefault(photo, len(photos))
            people.setdefault(person, len(people))
    a = np.array([photos[pair.first] for pair in listed], np.int64)
    b = np.array([photos[pair.second] for pair in listed], np.int64)
    same = np.array([pair.person == pair.other for pair in listed])
    folds = np.array([pair.fold for pair in listed], np.int64)
    labels = np.array([people[owner[name][0]] for name in photos], np.int64)
    notes = list(_fold_notes(folds, same))
    if shared:
        notes.append(
            f"{len(shared)} people are in several folds, so thresholds are partly chosen on the people they are tested "
            "on, and the accuracy is slightly optimistic"
        )
    return _Table(tuple(photos), tuple(people), labels, PairTrials(Pairs(a, b, same), folds), tuple(notes))


def connected(items: Iterable[tuple[Hashable, Hashable]]) -> Callable[[Hashable], Hashable]:
    """Find the connected components of items linked by pairs (union-find).

    Returns
    -------
    callable
        Maps an item to the representative of its component.
    """
    parent: dict[Hashable, Hashable] = {}

    def root(item: Hashable) -> Hashable:
        path = []
        while (above := parent.get(item, item)) != item:
            path.append(item)
            item = above
        parent.update(dict.fromkeys(path, item))
        return item

    for a, b in items:
        parent[root(b)] = root(a)
    return root


def _fold_notes(fold: NDArray[np.int64], same: NDArray[np.bool_]) -> tuple[str, ...]:
    numbers = [number for number in np.unique(fold) if number != TRAINING]
    sizes = [(int((same & (fold == n)).sum()), int((~same & (fold == n)).sum())) for n in numbers]
    if all(a == b for a, b in itertools.pairwise(sizes)):
        return ()
    counts = ", ".join(f"{_fold_name(int(n))}: {g} + {i}" for n, (g, i) in zip(numbers, sizes, strict=True))
    return (
        f"the folds have unequal sizes (same-person + different-person pairs: {counts}), but the same weight in the "
        "mean over folds",
    )


def _fold_name(fold: int) -> str:
    return "training" if fold == TRAINING else str(fold + 1)
