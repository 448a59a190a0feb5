"""Identity-balanced sampling: some photos of each of some people (paper section 3.2).

A batch depends only on the seed and the step, so a resumed run draws the same batches as an uninterrupted one.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facespace.errors import DataError


class IdentityBatches:
    """Batches of `people` identities with `photos` faces each.

    All people are drawn equally often, in passes over all people in random order; a batch may span two passes. A person
    with fewer than `photos` faces contributes all of them, so a batch may be smaller than people x photos. People with
    a single photo cannot be anchors; `singles` of them are added to each batch.

    Parameters
    ----------
    labels : int array, shape (n,)
    people, photos : int
    seed : int
    singles : int
        Number of faces of people with a single photo in each batch; they come first.

    Raises
    ------
    DataError
        Fewer than two people have two or more photos, so that no triplet exists.
    """

    def __init__(self, labels: ArrayLike, people: int, photos: int, seed: int, singles: int = 0):
        labels = np.asarray(labels)
        groups = [np.flatnonzero(labels == label) for label in np.unique(labels)]
        self._faces = [group for group in groups if len(group) > 1]
        self._alone = np.array([group[0] for group in groups if len(group) == 1], np.int64)
        self.single_photo_people = len(self._alone)
        if len(self._faces) < 2:
            raise DataError(
                f"only {len(self._faces)} people have two or more photos ({self.single_photo_people} have one), and "
                "training needs at least two such people: add photos"
            )
        self.people = min(people, len(self._faces))
        self.photos = photos
        self.singles = min(singles, len(self._alone))
        self._seed = seed

    def batch(self, step: int) -> NDArray[np.int64]:
        """Return the indices of the faces in the batch of a step (from 0); people with a single photo come first."""
        first = step * self.people
        chosen: list[int] = []
        for position in range(first, first + self.people):
            lap, place = divmod(position, len(self._faces))
            person = int(self._order(lap)[place])
            if person in chosen:
                # Where two passes meet, a person may repeat: take the next one who is not in the batch.
                person = next(int(p) for p in self._order(lap) if int(p) not in chosen)
            chosen.append(person)
        rng = np.random.default_rng([self._seed, 2, step])
        drawn = [
            rng.choice(self._faces[person], min(self.photos, len(self._faces[person])), replace=False)
            for person in chosen
        ]
        return np.concatenate([self._single_faces(step), *drawn])

    @property
    def size(self) -> int:
        """Number of faces in a batch if all people have enough photos."""
        return self.singles + self.people * self.photos

    def _single_faces(self, step: int) -> NDArray[np.int64]:
        positions = np.arange(step * self.singles, (step + 1) * self.singles)
        if not len(positions):
            return positions
        passes, places = np.divmod(positions, len(self._alone))
        orders = {
            number: np.random.default_rng([self._seed, 9, number]).permutation(self._alone)
            for number in np.unique(passes).tolist()
        }
        return np.array([orders[number][place] for number, place in zip(passes.tolist(), places.tolist(), strict=True)])

    def _order(self, lap: int) -> NDArray[np.int64]:
        return np.random.default_rng([self._seed, 1, lap]).permutation(len(self._faces))
