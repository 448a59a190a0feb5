"""Who is this? Closed and open set identification, in the terms of ISO/IEC 19795-1."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facespace.errors import DataError
from facespace.evaluate.intervals import Interval, over_identities
from facespace.metric import as_embeddings, squared_distances


@dataclass(frozen=True)
class IdentificationFigures:
    """What a gallery answers to probes of people in it (mated) and of strangers (non-mated).

    rank1 : share of mated probes whose nearest person is the right one, at any distance
    fnir : share of mated probes for whom the right person is not returned (false negative identification rate)
    fpir : share of strangers' probes for whom somebody is returned (false positive identification rate)
    mated, strangers : how many probes of each
    """

    rank1: Interval
    fnir: Interval
    fpir: Interval
    mated: int
    strangers: int


def identification(
    truth: ArrayLike, nearest: ArrayLike, accepted: ArrayLike, enrolled: ArrayLike
) -> IdentificationFigures:
    """Open-set figures from a gallery's answers.

    Parameters
    ----------
    truth : int array-like, shape (p,)
        Who each probe is.
    nearest : int array-like, shape (p,)
        The nearest person of the gallery for each.
    accepted : bool array-like, shape (p,)
        Whether the gallery said that it is that person, rather than nobody we know.
    enrolled : int array-like, shape (g,)
        Who is in the gallery.

    Raises
    ------
    DataError
        No probe of somebody enrolled, or none of a stranger.
    """
    truth, nearest = np.asarray(truth), np.asarray(nearest)
    accepted = np.asarray(accepted, bool)
    mated = np.isin(truth, np.asarray(enrolled))
    if not mated.any() or mated.all():
        raise DataError(
            f"open-set identification needs probes of people enrolled and of strangers; of {len(truth)} probes "
            f"{int(mated.sum())} are of people enrolled"
        )
    found = nearest == truth
    return IdentificationFigures(
        rank1=_share(found[mated], truth[mated]),
        fnir=_share(~(found & accepted)[mated], truth[mated]),
        fpir=_share(accepted[~mated], truth[~mated]),
        mated=int(mated.sum()),
        strangers=int((~mated).sum()),
    )


def leave_one_out_rank1(embeddings: ArrayLike, people: ArrayLike) -> Interval:
    """Share of photos whose nearest other photo is of the same person, with the rest of all photos enrolled.

    Parameters
    ----------
    embeddings : array-like, shape (n, d)
    people : int array-like, shape (n,)
        Photos of people with one photo are enrolled, but not searched for.
    """
    points, labels = as_embeddings(embeddings), np.asarray(people)
    distances = squared_distances(points, points)
    np.fill_diagonal(distances, np.inf)
    _, owner, counts = np.unique(labels, return_inverse=True, return_counts=True)
    searched = counts[owner] > 1
    if not searched.any():
        raise DataError("nobody has two photos: there is nothing to find")
    return _share((labels[distances.argmin(axis=1)] == labels)[searched], labels[searched])


def one_photo_rank1(embeddings: ArrayLike, people: ArrayLike, gallery: ArrayLike) -> Interval:
    """Share of the other photos whose nearest gallery photo is of the same person (closed set).

    Parameters
    ----------
    embeddings : array-like, shape (n, d)
    people : int array-like, shape (n,)
    gallery : int array-like, shape (g,)
        Indices of the photos enrolled; photos of people without one are not searched for.
    """
    points, labels, kept = as_embeddings(embeddings), np.asarray(people), np.asarray(gallery)
    probes = np.setdiff1d(np.flatnonzero(np.isin(labels, labels[kept])), kept)
    if not len(probes):
        raise DataError("nobody enrolled has another photo: there is nothing to search for")
    nearest = squared_distances(points[probes], points[kept]).argmin(axis=1)
    return _share(labels[kept][nearest] == labels[probes], labels[probes])


def _share(hits: NDArray[np.bool_], people: NDArray[np.int64]) -> Interval:
    def weighted(counts: NDArray[np.int64]) -> float:
        return float(counts @ hits / counts.sum())

    return over_identities(float(hits.mean()), people, weighted)
