"""Closed-set and open-set identification, in the terms of ISO/IEC 19795-1."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facespace.errors import DataError
from facespace.evaluate.metrics.intervals import ROUNDS, Interval, draws, interval, over_identities
from facespace.metric import as_embeddings, as_points, squared_distance_blocks, template

Comparable = Callable[[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]], NDArray[np.float64]]

RANKS = (1, 5, 10)
FPIRS = (1e-1, 1e-2, 1e-3)


@dataclass(frozen=True)
class Searches:
    """The result of searching a gallery of templates for each probe.

    truth : int64, shape (p,), the person of each probe
    nearest : int64, shape (p,), the nearest person in the gallery; -1 if the probe has no face
    distances : float64, shape (p,), squared, to that person; infinite if the probe has no face
    rank : int64, shape (p,), rank of the correct person, from 1; 0 if not enrolled (non-mated); number of people in the
        gallery plus one if the probe, or all photos of the correct person, have no face
    people : number of people enrolled
    """

    truth: NDArray[np.int64]
    nearest: NDArray[np.int64]
    distances: NDArray[np.float64]
    rank: NDArray[np.int64]
    people: int

    @property
    def mated(self) -> NDArray[np.bool_]:
        """Mask of the probes of enrolled people."""
        return self.rank > 0


@dataclass(frozen=True)
class IdentificationFigures:
    """Identification metrics for probes of enrolled people (mated) and of strangers (non-mated).

    rank : for each k, the share of mated probes whose correct person is among the k nearest, at any distance
    cmc : float64, shape (people,), the same for every k (cumulative match characteristic)
    fnir : false negative identification rate at the given threshold: share of mated probes whose correct person is not
        returned first; None without a threshold
    fpir : false positive identification rate: share of non-mated probes for which a person is returned
    fnir_at : FNIR at each FPIR that is measurable with these non-mated probes
    unmeasured : for each other FPIR, the reason
    curve : FPIR and FNIR at every threshold that changes either, float64, each of shape (t,)
    mated, strangers : number of mated and of non-mated probes
    """

    rank: dict[int, Interval]
    cmc: NDArray[np.float64]
    fnir: Interval | None
    fpir: Interval | None
    fnir_at: dict[float, Interval]
    unmeasured: dict[float, str]
    curve: tuple[NDArray[np.float64], NDArray[np.float64]]
    mated: int
    strangers: int


def search(
    embeddings: ArrayLike,
    people: ArrayLike,
    gallery: ArrayLike,
    probes: ArrayLike,
    present: ArrayLike | None = None,
    comparable: Comparable | None = None,
) -> Searches:
    """Search a gallery of one template per person for each probe.

    Parameters
    ----------
    embeddings : array-like, shape (n, d)
    people : int array-like, shape (n,)
    gallery, probes : int array-like
        Indices of faces; a person's template is the normalised mean of their faces in the gallery.
    present : bool array-like, shape (n,), or None
        Mask of the available faces; None for all. Searches without a probe face, or for a person without a face in the
        gallery, are not left out but count as misses.
    comparable : callable or None
        Makes distances to templates of few and of many photos comparable: takes squared distances (p, g), numbers of
        photos (g,) and norms of the means (g,). None leaves distances unchanged.

    Raises
    ------
    DataError
        No person can be enrolled.
    """
    points, labels = as_embeddings(embeddings), np.asarray(people, np.int64)
    had = np.ones(len(labels), bool) if present is None else np.asarray(present, bool)
    as_points(points[had])
    kept, asked = np.asarray(gallery, np.int64), np.asarray(probes, np.int64)
    wanted, enrolled = np.unique(labels[kept]), np.unique(labels[kept[had[kept]]])
    if not len(enrolled):
        raise DataError("no person can be enrolled, because no photo of the gallery has a usable face")
    shown = kept[had[kept]]
    templates, counts, lengths = templates_of(points[shown], labels[shown])
    truth = labels[asked]
    nearest = np.full(len(asked), -1, np.int64)
    distances = np.full(len(asked), np.inf)
    rank = np.where(np.isin(truth, wanted), len(wanted) + 1, 0)
    found = np.flatnonzero(had[asked])
    column = np.searchsorted(enrolled, truth).clip(max=len(enrolled) - 1)
    known = enrolled[column] == truth
    for rows, block in squared_distance_blocks(points[asked[found]], templates):
        plain = block.astype(np.float64)
        near = plain if comparable is None else comparable(plain, counts, lengths)
        chosen = found[rows]
        best = near.argmin(axis=1)
        nearest[chosen], distances[chosen] = enrolled[best], near[np.arange(len(best)), best]
        own = near[np.arange(len(chosen)), column[chosen]]
        place = 1 + (near < own[:, None]).sum(axis=1)
        rank[chosen[known[chosen]]] = place[known[chosen]]
    return Searches(truth, nearest, distances, rank, len(wanted))


def templates_of(
    points: NDArray[np.float32], people: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float64]]:
    """Return each person's template, number of faces, and norm of the mean before normalisation; sorted by person.

    Parameters
    ----------
    points : float32, shape (n, d), L2 norm 1
    people : int64, shape (n,)
    """
    members = [points[people == person] for person in np.unique(people)]
    counts = np.array([len(faces) for faces in members], np.int64)
    lengths = np.array([np.linalg.norm(faces.mean(axis=0)) for faces in members], np.float64)
    return np.stack([template(faces) for faces in members]), counts, lengths


def identification(
    searches: Searches,
    threshold: float | None = None,
    fpirs: tuple[float, ...] = FPIRS,
    rounds: int = ROUNDS,
    seed: int = 0,
) -> IdentificationFigures:
    """Compute closed-set metrics of the mated probes and, if there are non-mated probes, open-set metrics.

    A mated search is correct if the correct person comes first and is within the threshold.

    Parameters
    ----------
    searches : Searches
    threshold : float or None
        Largest squared distance at which a person is returned.
    fpirs : tuple of float
        False positive identification rates at which to report FNIR.
    rounds, seed : int
        Number of rounds and random seed of the bootstrap over the people searched for; the gallery is fixed.

    Raises
    ------
    DataError
        No probe is of an enrolled person.
    """
    mated = searches.mated
    if not mated.any():
        raise DataError(
            f"identification needs probes of enrolled people and, for the open set, of strangers; none of the "
            f"{len(searches.truth)} probes is of an enrolled person"
        )
    rank, strangers = searches.rank[mated], np.sort(searches.distances[~mated])
    # Only the first person can be returned; a correct person with a lower rank is missed at every threshold.
    hits = np.sort(np.where(rank == 1, searches.distances[mated], np.inf))
    accepted = searches.distances <= (-np.inf if threshold is None else threshold)
    measurable = tuple(fpir for fpir in fpirs if fpir * len(strangers) >= 1 - 1e-9)
    steps = np.unique(np.concatenate([hits, strangers]))
    steps = steps[np.isfinite(steps)]
    open_set = len(strangers) > 0
    return IdentificationFigures(
        rank={k: _share(rank <= k, searches.truth[mated]) for k in RANKS if k <= searches.people},
        cmc=np.array([np.mean(rank <= k) for k in range(1, searches.people + 1)]),
        fnir=None if threshold is None else _share(~((rank == 1) & accepted[mated]), searches.truth[mated]),
        fpir=None if threshold is None or not open_set else _share(accepted[~mated], searches.truth[~mated]),
        fnir_at=_fnir_at(searches, measurable, rounds, seed),
        unmeasured={
            fpir: f"needs {int(np.ceil(1 / fpir - 1e-9)):,} photos of strangers; there are {len(strangers):,}"
            for fpir in fpirs
            if fpir not in measurable
        },
        curve=(
            np.searchsorted(strangers, steps, side="right") / max(len(strangers), 1),
            1 - np.searchsorted(hits, steps, side="right") / len(hits),
        ),
        mated=len(rank),
        strangers=len(strangers),
    )


def _fnir_at(searches: Searches, fpirs: tuple[float, ...], rounds: int, seed: int) -> dict[float, Interval]:
    """Compute FNIR at the largest threshold whose FPIR does not exceed each of `fpirs`."""
    if not fpirs:
        return {}
    names, owner = np.unique(searches.truth, return_inverse=True)
    mated = searches.mated
    order = np.argsort(searches.distances[~mated], kind="stable")
    strangers, stranger = searches.distances[~mated][order], owner[~mated][order]
    # Equal distances are rejected together, so the first one stands for all.
    tie = np.append(np.searchsorted(strangers, strangers, side="left"), len(strangers))
    hits = np.where(searches.rank[mated] == 1, searches.distances[mated], np.inf)
    sorted_hits, hit_owner = np.sort(hits), owner[mated][np.argsort(hits, kind="stable")]
    before = np.append(np.searchsorted(sorted_hits, strangers, side="left"), np.isfinite(hits).sum())

    def at(counts: NDArray[np.int64]) -> NDArray[np.float64]:
        false = np.append(0, np.cumsum(counts[stranger]))
        found = np.append(0, np.cumsum(counts[hit_owner]))
        if not false[-1] or not found[-1]:
            return np.full(len(fpirs), np.nan)
        allowed = np.searchsorted(false, np.array(fpirs) * false[-1] * (1 + 1e-9), side="right") - 1
        return 1 - found[before[tie[allowed]]] / found[-1]

    values = at(np.ones(len(names), np.int64))
    samples = np.array([at(drawn) for drawn in draws(len(names), rounds, seed)])
    return {fpir: interval(values[i], samples[:, i]) for i, fpir in enumerate(fpirs)}


def leave_one_out_rank1(embeddings: ArrayLike, people: ArrayLike) -> Interval:
    """Compute the share of photos whose nearest other photo shows the same person (leave-one-out rank-1).

    Parameters
    ----------
    embeddings : array-like, shape (n, d)
    people : int array-like, shape (n,)
        People with a single photo are enrolled but not used as probes.

    Raises
    ------
    DataError
        No person has two photos.
    """
    points, labels = as_points(embeddings), np.asarray(people)
    _, owner, counts = np.unique(labels, return_inverse=True, return_counts=True)
    searched = counts[owner] > 1
    if not searched.any():
        raise DataError("no person has two photos, so there is nothing to search for")
    nearest = np.empty(len(labels), np.int64)
    for rows, block in squared_distance_blocks(points, points):
        own = np.arange(rows.start, rows.stop)
        block[own - rows.start, own] = np.inf
        nearest[rows] = block.argmin(axis=1)
    return _share((labels[nearest] == labels)[searched], labels[searched])


def _share(hits: NDArray[np.bool_], people: NDArray[np.int64]) -> Interval:
    def weighted(counts: NDArray[np.int64]) -> float:
        return float(counts @ hits / counts.sum())

    return over_identities(float(hits.mean()), people, weighted)
