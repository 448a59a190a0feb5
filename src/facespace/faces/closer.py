"""A closer look at the part of a photo with uncertain candidates: which part, and how both results are combined.

A candidate is uncertain if its score is neither high nor low. The part is searched once more, enlarged and mirrored, so
that the network gets other pixels than before. This finds more small faces, and rejects more things that are not faces:
docs/decisions/014-one-shot-detector.md.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from facespace.faces.boxes import overlaps
from facespace.faces.candidates import Candidates, joined, logit, probability

# Scores between these are uncertain.
UNCERTAIN = (0.25, 0.65)
# Candidates with lower scores are not compared, so that a lower threshold does not change the faces above it.
LEAST = 0.05
# The part includes this many pixels of the first look's input around each uncertain candidate.
MARGIN = 48
# How much larger the part is searched than the whole photo was.
ZOOM = 1.5
# Candidates that come closer than this to a border of the part inside the photo are not compared, because the closer
# look may see only a piece of them: pixels of the first look's input.
RIM = 16
# Larger candidates are not compared either, because they gain nothing from being enlarged: pixels of the first look's
# input.
LARGEST = 64
# Minimum overlap, as a share of the union, of the two boxes of one face.
ONE_FACE = 0.5
# The logit of a score is reduced by this if only one of the looks finds the face.
ALONE = 1.0


class Part(NamedTuple):
    """A rectangle of a photo, in whole pixels."""

    left: int
    top: int
    right: int
    bottom: int

    def of(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Its pixels in an image (h, w, 3)."""
        return image[self.top : self.bottom, self.left : self.right]

    def inner(self, width: int, height: int) -> tuple[bool, bool, bool, bool]:
        """Which of its borders (left, top, right, bottom) lie inside a photo of this size."""
        return self.left > 0, self.top > 0, self.right < width, self.bottom < height


def uncertain_part(first: Candidates, width: int, height: int, scale: float) -> Part | None:
    """Choose the part of a photo to look at more closely.

    Parameters
    ----------
    first : Candidates
        In pixels of the photo.
    width, height : int
        Of the photo.
    scale : float
        Of the first look: pixels of its input for each pixel of the photo.

    Returns
    -------
    Part or None
        A rectangle around all small uncertain candidates; None if there are none.
    """
    uncertain = (first.scores >= UNCERTAIN[0]) & (first.scores <= UNCERTAIN[1]) & _small(first, scale)
    boxes = first.boxes[uncertain]
    if not len(boxes):
        return None
    margin = MARGIN / scale
    left, top = np.maximum(0, np.floor(boxes[:, :2].min(axis=0) - margin)).astype(int)
    right, bottom = np.minimum([width, height], np.ceil(boxes[:, 2:].max(axis=0) + margin)).astype(int)
    return Part(int(left), int(top), int(right), int(bottom)) if left < right and top < bottom else None


def combined(first: Candidates, second: Candidates, part: Part, width: int, height: int, scale: float) -> Candidates:
    """Combine the candidates of the first look with those of the closer look at a part of the photo.

    If both find a face, their logits are averaged, and the one with the higher score counts more for the box and the
    landmarks. If only one of them does, its score falls.

    Parameters
    ----------
    first, second : Candidates
        One for each face, in pixels of the photo. `first` is ordered by score.
    part : Part
        The part that was searched again.
    width, height, scale
        As for `uncertain_part`.

    Returns
    -------
    Candidates
        In no particular order; two of them may overlap.
    """
    inside = _comparable(first, part, width, height, scale)
    before = first.chosen(inside)
    # A box that is just within the limits may have a partner that is just beyond them.
    partners = _partners(before.boxes, second.boxes)
    both = partners >= 0
    alone = _comparable(second, part, width, height, scale)
    alone[partners[both]] = False
    return joined(
        [
            first.chosen(~inside),
            _averaged(before.chosen(both), second.chosen(partners[both])),
            _less_certain(before.chosen(~both)),
            _less_certain(second.chosen(alone)),
        ]
    )


def _comparable(found: Candidates, part: Part, width: int, height: int, scale: float) -> NDArray[np.bool_]:
    rim, inner = RIM / scale, part.inner(width, height)
    low = np.where(inner[:2], np.array(part[:2]) + rim, -np.inf)
    high = np.where(inner[2:], np.array(part[2:]) - rim, np.inf)
    within = (found.boxes[:, :2] >= low).all(axis=1) & (found.boxes[:, 2:] <= high).all(axis=1)
    compared: NDArray[np.bool_] = within & (found.scores >= LEAST) & _small(found, scale)
    return compared


def _small(found: Candidates, scale: float) -> NDArray[np.bool_]:
    small: NDArray[np.bool_] = (found.boxes[:, 2:] - found.boxes[:, :2]).max(axis=1, initial=0) * scale <= LARGEST
    return small


def _partners(before: NDArray[np.float32], after: NDArray[np.float32]) -> NDArray[np.intp]:
    """For each box, the index of the other look's box of the same face, or -1; each is used once, best box first."""
    partners = np.full(len(before), -1)
    free = np.ones(len(after), bool)
    for index in range(len(before) if len(after) else 0):
        shares = overlaps(before[index : index + 1], after)[0] * free
        best = int(shares.argmax())
        if shares[best] >= ONE_FACE:
            partners[index], free[best] = best, False
    return partners


def _averaged(a: Candidates, b: Candidates) -> Candidates:
    weight: NDArray[np.float32] = a.scores / (a.scores + b.scores)
    boxes = weight[:, None] * a.boxes + (1 - weight)[:, None] * b.boxes
    landmarks = weight[:, None, None] * a.landmarks + (1 - weight)[:, None, None] * b.landmarks
    return Candidates(boxes, landmarks, probability((logit(a.scores) + logit(b.scores)) / 2))


def _less_certain(found: Candidates) -> Candidates:
    return found._replace(scores=probability(logit(found.scores) - ALONE))
