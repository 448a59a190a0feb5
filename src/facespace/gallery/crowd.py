"""How near the people of a gallery are to each other: what its open-set threshold follows from."""

import threading
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from facespace.gallery.store import Store
from facespace.metric import Impostors, dequantise, normalise, open_set_far, squared_distance_blocks

Floats = NDArray[np.float64]

# Faces asked for, and people they are compared with: a third of a second, and far more than the tail needs.
FACES, PEOPLE = 2_000, 5_000

# Measured again when the gallery has grown or shrunk by this share.
_CHANGED = 0.1


class Crowd:
    """The open-set threshold of a store's people, measured when first needed and again as they change.

    Parameters
    ----------
    store : Store
    impostors : Impostors
        Of the space's card.
    comparable : callable
        Squared distances, numbers of faces and lengths of the templates to distances as of single photos.
    """

    def __init__(
        self,
        store: Store,
        impostors: Impostors,
        comparable: Callable[[Floats, NDArray[np.int64], Floats], Floats],
    ):
        self._store, self._impostors, self._comparable = store, impostors, comparable
        self._lock = threading.Lock()
        self._measured: tuple[int, Floats, int] | None = None

    def threshold(self, fpir: float, people: int) -> float:
        """Squared distance, as to a single photo, up to which at most a share `fpir` of strangers is taken in."""
        with self._lock:
            if self._measured is None or abs(people - self._measured[0]) > _CHANGED * self._measured[0]:
                self._measured = (people, *self._nearest_others())
            _, nearest, among = self._measured
        return float(self._impostors.threshold(open_set_far(fpir, people, self._impostors, nearest, among)))

    def _nearest_others(self) -> tuple[Floats, int]:
        """The distance from a face of some people to the nearest of the others, and among how many."""
        templates = self._store.some_templates(PEOPLE)
        if len(templates) < 2:
            return np.empty(0), len(templates)
        points = normalise(dequantise(np.stack([template.code for template in templates])))
        faces = np.array([template.faces for template in templates])
        lengths = np.array([template.length for template in templates])
        owners = np.array([template.person for template in templates])
        asked = owners[:FACES]
        found = self._store.first_faces(asked.tolist())
        rows = np.array([row for row, person in enumerate(asked.tolist()) if person in found])
        if not len(rows):
            return np.empty(0), len(templates)
        queries = normalise(np.stack([found[int(owners[row])] for row in rows]))
        nearest = nearest_others(
            queries, rows, points, faces, lambda near, place: self._comparable(near, faces[place], lengths[place])
        )
        return nearest, len(templates)


def nearest_others(
    queries: NDArray[np.float32],
    own: NDArray[np.int64],
    templates: NDArray[np.float32],
    photos: NDArray[np.int64],
    comparable: Callable[[Floats, NDArray[np.int64]], Floats],
) -> Floats:
    """How near the nearest other person is to each of some enrolled faces.

    Parameters
    ----------
    queries : float32, shape (n, d), L2 norm 1
    own : int64, shape (n,)
        The row of `templates` that each is of, which does not count.
    templates : float32, shape (m, d), L2 norm 1
        Of at least two people.
    photos : int64, shape (m,)
        How many each is the mean of.
    comparable : callable
        Squared distances to templates, and their rows, to distances as to single photos; rising with the distance
        among templates of one number of photos.

    Returns
    -------
    float64, shape (n,), squared, as to single photos
    """
    nearest = np.full(len(queries), 4.0)
    of_count = [np.flatnonzero(photos == count) for count in np.unique(photos)]
    for part, block in squared_distance_blocks(queries, templates):
        places = np.arange(len(block))
        block[places, own[part]] = 4
        for columns in of_count:
            column = columns[block[:, columns].argmin(axis=1)]
            nearest[part] = np.minimum(nearest[part], comparable(block[places, column].astype(np.float64), column))
    return nearest
