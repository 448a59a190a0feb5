"""Similarity between the people of a gallery, from which its open-set threshold follows."""

import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facespace.gallery.store import Store
from facespace.metric import DUPLICATES, Impostors, dequantise, normalise, open_set_far, squared_distance_blocks

Floats = NDArray[np.float64]

# Number of faces, and of people they are compared with: a third of a second, and far more than the estimate needs.
FACES, PEOPLE = 2_000, 5_000

# The threshold is measured again when the gallery has grown or shrunk by this fraction.
_CHANGED = 0.1


class OpenSet:
    """The open-set threshold of a store, measured when first needed and again when its people change.

    Parameters
    ----------
    store : Store
    impostors : Impostors
        From the space's card.
    """

    def __init__(self, store: Store, impostors: Impostors):
        self._store, self._impostors = store, impostors
        self._lock = threading.Lock()
        # The number of people, distances from some of them to their nearest others, and how many were compared.
        self._measured: tuple[int, Floats, int] | None = None

    def threshold(self, fpir: float, people: int) -> float:
        """Squared distance, converted to single photos, within which at most a fraction `fpir` of strangers match."""
        with self._lock:
            if self._measured is None or abs(people - self._measured[0]) > _CHANGED * self._measured[0]:
                self._measured = (people, *self._nearest_others())
            _, nearest, among = self._measured
        return float(self._impostors.threshold(open_set_far(fpir, people, self._impostors, nearest, among)))

    def _nearest_others(self) -> tuple[Floats, int]:
        """Distances from one face each of some people to the nearest others, and how many people were compared."""
        templates = self._store.some_templates(PEOPLE)
        if len(templates) < 2:
            return np.empty((0, DUPLICATES)), len(templates)
        points = normalise(dequantise(np.stack([template.code for template in templates])))
        faces = np.array([template.faces for template in templates])
        lengths = np.array([template.length for template in templates])
        owners = np.array([template.person_id for template in templates])
        asked = owners[:FACES]
        found = self._store.first_faces(asked.tolist())
        rows = np.array([row for row, person in enumerate(asked.tolist()) if person in found])
        if not len(rows):
            return np.empty((0, DUPLICATES)), len(templates)
        queries = normalise(np.stack([found[int(owners[row])] for row in rows]))
        return nearest_others(queries, rows, points, faces, lengths, self._impostors), len(templates)


def nearest_others(
    queries: NDArray[np.float32],
    own: NDArray[np.int64],
    templates: NDArray[np.float32],
    photos: NDArray[np.int64],
    lengths: Floats,
    impostors: Impostors,
) -> Floats:
    """Distances from enrolled faces to the nearest other people.

    Parameters
    ----------
    queries : float32, shape (n, d), L2 norm 1
    own : int64, shape (n,)
        The row of `templates` of each query's own person, which is ignored.
    templates : float32, shape (m, d), L2 norm 1
        Of at least two people.
    photos : int64, shape (m,)
        Number of photos that each template averages.
    lengths : float64, shape (m,)
        L2 norm of that mean before it was normalised.
    impostors : Impostors
        From the space's card.

    Returns
    -------
    float64, shape (n, DUPLICATES), increasing: the nearest few, squared, converted to single photos, padded with inf
    """
    nearest = np.full((len(queries), DUPLICATES), np.inf)
    of_count = [np.flatnonzero(photos == count) for count in np.unique(photos)]
    for part, block in squared_distance_blocks(queries, templates):
        block[np.arange(len(block)), own[part]] = np.inf
        if not impostors.covers_templates:
            block = np.where(np.isinf(block), np.inf, impostors.comparable(block.astype(np.float64), photos, lengths))
            nearest[part] = _smallest(block)
            continue
        # Among templates of equally many photos the converted distance is monotonic, so only the nearest matter.
        for columns in of_count:
            near = _smallest(block[:, columns])
            found = np.isfinite(near)
            near[found] = impostors.as_single(near[found], photos[columns[0]])
            nearest[part] = _smallest(np.hstack([nearest[part], near]))
    return nearest


def _smallest(block: NDArray[Any]) -> Floats:
    """The few smallest values of each row, increasing, padded with inf."""
    if block.shape[1] > DUPLICATES:
        block = np.partition(block, DUPLICATES - 1, axis=1)[:, :DUPLICATES]
    found = np.full((len(block), DUPLICATES), np.inf)
    found[:, : block.shape[1]] = np.sort(block, axis=1)
    return found
