"""Protocols on folders of people, PERSON/photo: all pairs, identification, clustering, or all three."""

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facespace.errors import DataError
from facespace.evaluate.photos import Photos, by_person
from facespace.evaluate.protocols.protocol import PairTrials, Protocol, SearchTrials
from facespace.evaluate.table import read_table


def people(photos: Photos, seed: int = 0) -> Protocol:
    """All three tasks: verification on all pairs, open-set identification with half the people, and clustering.

    Parameters
    ----------
    photos : Photos
        Named PERSON/photo.
    seed : int
        Random seed of the split into enrolled people and strangers.

    Raises
    ------
    DataError
        There are no people.
    """
    names, persons, labels = _labelled(photos)
    return Protocol(
        name="people",
        words=(
            f"{_all_pairs_of(names, persons)} Half the people (random seed {seed}) are enrolled with one photo each; "
            "their other photos and all photos of the other people are probes. All photos are clustered."
        ),
        photos=photos,
        names=names,
        people=persons,
        labels=labels,
        verify=PairTrials(),
        search=_half_enrolled(labels, seed),
        cluster=True,
    )


def pairs_of_people(photos: Photos) -> Protocol:
    """Verification on all pairs of photos."""
    names, persons, labels = _labelled(photos)
    return Protocol(
        name="folder",
        words=_all_pairs_of(names, persons),
        photos=photos,
        names=names,
        people=persons,
        labels=labels,
        verify=PairTrials(),
    )


def groups_of_people(photos: Photos) -> Protocol:
    """Clustering of all photos by person, with an unknown number of people."""
    names, persons, labels = _labelled(photos)
    return Protocol(
        name="clustering",
        words=f"{len(names):,} photos of {len(persons):,} people are clustered; the number of people is not given.",
        photos=photos,
        names=names,
        people=persons,
        labels=labels,
        cluster=True,
    )


def closed_set(photos: Photos, seed: int = 0) -> Protocol:
    """Closed-set identification: one random photo of each person with two or more is enrolled; the rest are probes."""
    names, persons, labels = _labelled(photos)
    counts = np.bincount(labels, minlength=len(persons))
    gallery = _one_each(labels, np.flatnonzero(counts > 1), seed)
    probes = np.setdiff1d(np.flatnonzero(counts[labels] > 1), gallery)
    if not len(probes):
        raise DataError(f"no person in {photos.where} has two photos, so there are no probes")
    return Protocol(
        name="closed-set",
        words=(
            f"Closed-set identification: one photo of each of {len(gallery):,} people (random seed {seed}) is "
            f"enrolled; their {len(probes):,} other photos are probes."
        ),
        photos=photos,
        names=names,
        people=persons,
        labels=labels,
        search=SearchTrials(gallery, probes),
    )


def open_set(photos: Photos, seed: int = 0) -> Protocol:
    """Open-set identification: a random half of the people is enrolled with one photo each; the rest are strangers."""
    names, persons, labels = _labelled(photos)
    trials = _half_enrolled(labels, seed)
    return Protocol(
        name="open-set",
        words=(
            f"Open-set identification: {len(trials.gallery):,} of {len(persons):,} people (random seed {seed}) are "
            f"enrolled with one photo each; {len(trials.probes):,} photos of them and of strangers are probes."
        ),
        photos=photos,
        names=names,
        people=persons,
        labels=labels,
        search=trials,
    )


def listed_search(gallery: str | os.PathLike[str], probes: str | os.PathLike[str], photos: Photos) -> Protocol:
    """Identification with given lists of gallery and probes.

    Parameters
    ----------
    gallery, probes : path
        CSV files with the columns `photo` and `person`. A probe of a person who is not in the gallery is non-mated.
    photos : Photos

    Raises
    ------
    DataError
        A column or value is missing, a photo is in both lists, or a photo belongs to two people.
    """
    enrolled, searched = _list(gallery), _list(probes)
    both = enrolled.keys() & searched.keys()
    if both:
        raise DataError(
            f"{min(both)} is in {gallery} and in {probes}: a probe must not be in the gallery; remove it from one"
        )
    whole = {**enrolled, **searched}
    persons = tuple(dict.fromkeys(whole.values()))
    number = {person: at for at, person in enumerate(persons)}
    labels = np.array([number[person] for person in whole.values()], np.int64)
    strangers = len(set(searched.values()) - set(enrolled.values()))
    return Protocol(
        name="search",
        words=(
            f"Identification by lists: {len(set(enrolled.values())):,} people enrolled with {len(enrolled):,} photos "
            f"({Path(gallery).name}); {len(searched):,} probes ({Path(probes).name}), among them of {strangers:,} "
            "strangers."
        ),
        photos=photos,
        names=tuple(whole),
        people=persons,
        labels=labels,
        search=SearchTrials(np.arange(len(enrolled)), np.arange(len(enrolled), len(whole))),
    )


def _all_pairs_of(names: tuple[str, ...], persons: tuple[str, ...]) -> str:
    return (
        f"All pairs of {len(names):,} photos of {len(persons):,} people (for many photos, a random sample of the "
        "different-person pairs); thresholds by cross-validation over folds of people."
    )


def _labelled(photos: Photos) -> tuple[tuple[str, ...], tuple[str, ...], NDArray[np.int64]]:
    persons = by_person(photos)
    names = tuple(name for listed in persons.values() for name in listed)
    labels = np.repeat(np.arange(len(persons)), [len(listed) for listed in persons.values()])
    return names, tuple(persons), labels.astype(np.int64)


def _half_enrolled(labels: NDArray[np.int64], seed: int) -> SearchTrials:
    present = np.unique(labels)
    known = np.sort(np.random.default_rng(seed).permutation(present)[: (len(present) + 1) // 2])
    firsts = np.array([int(np.argmax(labels == person)) for person in known], np.int64)
    return SearchTrials(firsts, np.setdiff1d(np.arange(len(labels)), firsts))


def _one_each(labels: NDArray[np.int64], persons: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    rng = np.random.default_rng(seed)
    return np.sort([int(rng.choice(np.flatnonzero(labels == person))) for person in persons]).astype(np.int64)


def _list(path: str | os.PathLike[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for row in read_table(path, ("photo", "person")).rows:
        if found.setdefault(row["photo"], row["person"]) != row["person"]:
            raise DataError(
                f"{row.where}: {row['photo']} belongs to {row['person']} here and to {found[row['photo']]} before"
            )
    return found
