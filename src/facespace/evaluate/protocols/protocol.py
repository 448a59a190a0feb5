"""What is asked of a space: which photos, whose they are, and what is compared with what."""

import itertools
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from facespace.errors import DataError
from facespace.evaluate.metrics import Pairs
from facespace.evaluate.photos import Photos

# Pairs of this fold choose the threshold, and are not judged.
TRAINING = -1


@dataclass(frozen=True)
class PairTrials:
    """Pairs to verify.

    pairs : Pairs, or None for all pairs, with folds of people made by seed
    fold : int64, shape (p,), the fold of each pair, or None with all pairs; TRAINING where it only serves to choose
        the threshold
    """

    pairs: Pairs | None = None
    fold: NDArray[np.int64] | None = None


@dataclass(frozen=True)
class SearchTrials:
    """Photos to enrol and photos to search for, as indices; a person without a photo to enrol is a stranger."""

    gallery: NDArray[np.int64]
    probes: NDArray[np.int64]


@dataclass(frozen=True)
class Protocol:
    """An evaluation's question, without a space's answer.

    name : as the command line has it
    words : the protocol in words, for the report
    photos : where the photos are
    names : the photos that take part
    people : names of the people
    labels : int64, shape (n,), whose each photo is: an index into `people`
    verify, search : what to verify and to search for; None where it is not asked
    cluster : whether the photos are to be grouped
    central : whether a photo's subject is the face nearest to its middle, not the largest
    notes : what a reader of the figures must know
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
    """A pair as a list has it: two photos and whose they are, its fold, and where it stands."""

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
    """Number the photos and people of a list of pairs, and check it.

    Parameters
    ----------
    listed : ListedPair sequence
    where : what to call the list in a message
    folds_share_people : whether somebody in two folds is a note, not an error: in formats where nobody can help it

    Raises
    ------
    DataError
        The list is empty, a pair stands in it twice, a photo is two people's, a photo is paired with itself, or
        somebody is in two folds (a threshold would be chosen on people who are judged by it).
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
            raise DataError(f"{pair.where}: this pair stands already in {seen[names]}; drop one of the two")
        seen[names] = pair.where
        for photo, person in ((pair.first, pair.person), (pair.second, pair.other)):
            before, line = owner.setdefault(photo, (person, pair.where))
            if before != person:
                raise DataError(f"{pair.where}: {photo} is {person}'s here and {before}'s in {line}")
            fold, line = fold_of.setdefault(person, (pair.fold, pair.where))
            if fold != pair.fold and folds_share_people:
                shared.add(person)
            elif fold != pair.fold:
                raise DataError(
                    f"{pair.where}: {person} is in fold {_fold_name(pair.fold)} here and in fold {_fold_name(fold)} "
                    f"in {line}: folds must not share people, or a threshold is chosen on those it judges"
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
            f"{len(shared)} people are in several folds, so thresholds are chosen on people whom they judge: the "
            "accuracy is a little optimistic"
        )
    return _Table(tuple(photos), tuple(people), labels, PairTrials(Pairs(a, b, same), folds), tuple(notes))


def joined(items: Iterable[tuple[Hashable, Hashable]]) -> Callable[[Hashable], Hashable]:
    """Which group each thing belongs to, where two things linked by a pair are of one group (union-find).

    Returns
    -------
    callable
        From a thing to the first thing of its group.
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
    told = ", ".join(f"{_fold_name(int(n))}: {g} + {i}" for n, (g, i) in zip(numbers, sizes, strict=True))
    return (
        f"the folds are of unequal size (same-person + different-person pairs: {told}); the mean over folds weighs "
        "each fold the same, whatever its size",
    )


def _fold_name(fold: int) -> str:
    return "training" if fold == TRAINING else str(fold + 1)
