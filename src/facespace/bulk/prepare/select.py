"""Select the faces of a person's photos that are worth training on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facespace.metric import squared_distances

# Two faces are the same picture if their small, normalised forms correlate by more than this. Chosen on the validation
# people of ../shared/data: docs/decisions/012-prepare.md.
MIN_CORRELATION = 0.97
SMALL = 16

DUPLICATE, STRANGER, BYSTANDER, FEW = (
    "same picture as",
    "looks like somebody else",
    "another face in the photo is the person's",
    "too few faces of this person are left",
)


@dataclass(frozen=True)
class Candidate:
    """A face found in one of a person's photos.

    photo : name of the photo, relative to the folder of people
    crop : file of the aligned face
    box : left, top, right, bottom in pixels of the photo
    score, quality, eye_distance : as in the output of `facespace faces`
    """

    photo: str
    crop: str
    box: tuple[float, float, float, float]
    score: float
    quality: float
    eye_distance: float

    @property
    def area(self) -> float:
        """Area of the box."""
        return (self.box[2] - self.box[0]) * (self.box[3] - self.box[1])


@dataclass(frozen=True)
class Decision:
    """Whether a candidate is kept: it is, unless there is a reason against it."""

    candidate: Candidate
    reason: str | None = None

    @property
    def kind(self) -> str | None:
        """The reason without names of photos."""
        return DUPLICATE if self.reason and self.reason.startswith(DUPLICATE) else self.reason


def main_faces(candidates: Sequence[Candidate], points: NDArray[np.float32] | None) -> NDArray[np.intp]:
    """Choose one face of each photo: the one most similar to the faces of the other photos, or the largest.

    Parameters
    ----------
    candidates : all faces of one person's photos, those of each photo consecutive
    points : float32, shape (n, d), or None without a model to compare them

    Returns
    -------
    indices of the chosen faces, in order
    """
    photos: dict[str, list[int]] = {}
    for index, candidate in enumerate(candidates):
        photos.setdefault(candidate.photo, []).append(index)
    largest = [max(own, key=lambda index: candidates[index].area) for own in photos.values()]
    if points is None or len(photos) < 3:
        return np.array(largest, np.intp)
    # The largest faces are mostly of the person, so most of their distances are small: use the median.
    distances = squared_distances(points, points[largest])
    return np.array(
        [min(own, key=lambda index: float(np.median(distances[index]))) for own in photos.values()], np.intp
    )


def small_form(face: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Reduce an aligned face (128, 128, 3) to 256 numbers of mean 0 and norm 1, robust to scaling and recompression."""
    grey = face[8:120, 8:120].mean(axis=2)
    small = grey.reshape(SMALL, 112 // SMALL, SMALL, 112 // SMALL).mean(axis=(1, 3)).ravel()
    small = small - small.mean()
    return (small / max(float(np.linalg.norm(small)), 1e-6)).astype(np.float32)


def duplicates(forms: NDArray[np.float32], qualities: NDArray[np.float64]) -> dict[int, int]:
    """Find faces that are the same picture as a better one.

    Parameters
    ----------
    forms : float32, shape (n, 256), as `small_form` gives them
    qualities : float64, shape (n,)

    Returns
    -------
    dict
        Index of each duplicate to the index of the better face.
    """
    order = np.argsort(-qualities, kind="stable")
    alike = forms[order] @ forms[order].T > MIN_CORRELATION
    better_of: dict[int, int] = {}
    for place, index in enumerate(order.tolist()):
        earlier = [
            int(order[other]) for other in np.flatnonzero(alike[place, :place]) if int(order[other]) not in better_of
        ]
        if earlier:
            better_of[index] = earlier[0]
    return better_of


def strangers(points: NDArray[np.float32], threshold: float) -> NDArray[np.bool_]:
    """Find the faces that look like somebody else among a person's faces.

    A face is a stranger if more than half of the others are beyond the threshold. With two faces it is not known which
    is wrong, so fewer than three faces are all kept.

    Parameters
    ----------
    points : float32, shape (n, d)
    threshold : float
        Squared distance beyond which two faces are unlikely to be one person.

    Returns
    -------
    bool, shape (n,)
    """
    if len(points) < 3:
        return np.zeros(len(points), bool)
    distances = squared_distances(points, points)
    np.fill_diagonal(distances, np.nan)
    return np.nanmedian(distances, axis=1) > threshold
