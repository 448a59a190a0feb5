"""Protocols on photos laid out by person, PERSON/photo: all pairs, searches, clustering, or all three."""

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facespace.errors import DataError
from facespace.evaluate.photos import Photos, by_person
from facespace.evaluate.protocols.protocol import PairTrials, Protocol, SearchTrials
from facespace.evaluate.table import read_table


def people(photos: Photos, seed: int = 0) -> Protocol:
    """The three questions on people: all pairs, searches of half of them among strangers, and clustering.

    Parameters
    ----------
    photos : Photos
        PERSON/photo.
    seed : int
        Of the folds, and of who is enrolled.

    Raises
    ------
    DataError
        Nobody is there.
    """
    names, persons, labels = _labelled(photos)
    return Protocol(
        name="people",
        words=(
            f"{_all_pairs_of(names, persons)} Half the people, by seed {seed}, are enrolled with one "
            "photo each; their other photos and all photos of the other people are searched for. All photos are "
            "grouped."
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
    """All pairs of photos of people, and nothing else."""
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
    """Clustering: all photos are to be grouped by person, whose number is not given."""
    names, persons, labels = _labelled(photos)
    return Protocol(
        name="clustering",
        words=f"{len(names):,} photos of {len(persons):,} people are grouped; how many people there are is not given.",
        photos=photos,
        names=names,
        people=persons,
        labels=labels,
        cluster=True,
    )


def closed_set(photos: Photos, seed: int = 0) -> Protocol:
    """1:N, closed set: one photo of everybody with two or more is enrolled, by seed; the others are searched for."""
    names, persons, labels = _labelled(photos)
    counts = np.bincount(labels, minlength=len(persons))
    gallery = _one_each(labels, np.flatnonzero(counts > 1), seed)
    probes = np.setdiff1d(np.flatnonzero(counts[labels] > 1), gallery)
    if not len(probes):
        raise DataError(f"nobody in {photos.where} has two photos: there is nothing to search for")
    return Protocol(
        name="closed-set",
        words=(
            f"Closed-set identification: one photo of each of {len(gallery):,} people (by seed {seed}) is enrolled, "
            f"their {len(probes):,} other photos are searched for."
        ),
        photos=photos,
        names=names,
        people=persons,
        labels=labels,
        search=SearchTrials(gallery, probes),
    )


def open_set(photos: Photos, seed: int = 0) -> Protocol:
    """1:N, open set: half the people, by seed, are enrolled with one photo; the other people are strangers."""
    names, persons, labels = _labelled(photos)
    trials = _half_enrolled(labels, seed)
    return Protocol(
        name="open-set",
        words=(
            f"Open-set identification: {len(trials.gallery):,} of {len(persons):,} people (by seed {seed}) are "
            f"enrolled with one photo each; {len(trials.probes):,} photos, of them and of the strangers, are searched "
            "for."
        ),
        photos=photos,
        names=names,
        people=persons,
        labels=labels,
        search=trials,
    )


def listed_search(gallery: str | os.PathLike[str], probes: str | os.PathLike[str], photos: Photos) -> Protocol:
    """1:N with lists: who is enrolled with which photos, and what is searched for.

    Parameters
    ----------
    gallery, probes : paths
        CSV files with the columns `photo` and `person`. A probe of somebody not in the gallery is a stranger's.
    photos : Photos

    Raises
    ------
    DataError
        A column or value is missing, a photo is in both lists or is two people's.
    """
    enrolled, searched = _list(gallery), _list(probes)
    both = enrolled.keys() & searched.keys()
    if both:
        raise DataError(f"{min(both)} is in {gallery} and in {probes}: a photo cannot be found by itself; drop one")
    whole = {**enrolled, **searched}
    persons = tuple(dict.fromkeys(whole.values()))
    number = {person: at for at, person in enumerate(persons)}
    labels = np.array([number[person] for person in whole.values()], np.int64)
    strangers = len(set(searched.values()) - set(enrolled.values()))
    return Protocol(
        name="search",
        words=(
            f"Identification by lists: {len(set(enrolled.values())):,} people enrolled with {len(enrolled):,} photos "
            f"({Path(gallery).name}); {len(searched):,} photos searched for ({Path(probes).name}), {strangers:,} of "
            "their people are strangers."
        ),
        photos=photos,
        names=tuple(whole),
        people=persons,
        labels=labels,
        search=SearchTrials(np.arange(len(enrolled)), np.arange(len(enrolled), len(whole))),
    )


def _all_pairs_of(names: tuple[str, ...], persons: tuple[str, ...]) -> str:
    return (
        f"All pairs of {len(names):,} photos of {len(persons):,} people (of very many photos a seeded sample of the "
        "different-person pairs), thresholds by folds of people."
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
            raise DataError(f"{row.where}: {row['photo']} is {row['person']}'s here and {found[row['photo']]}'s before")
    return found
