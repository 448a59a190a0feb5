"""What a distance between two faces means, in words: same person, different people, or too close to call.

Two distances separate the three answers. Up to the accept threshold, two faces are the same person; the threshold is
chosen by the fraction of different-person pairs within it (the false accept rate). Beyond the reject distance they are
different people; it is chosen by the fraction of same-person pairs beyond it (the false reject rate). Between the two,
neither answer is reliable enough.

The library, the command line, the HTTP service and the web page all use these words.
"""

from dataclasses import dataclass
from typing import Literal

Outcome = Literal["same", "unclear", "different"]

HEADLINES: dict[Outcome, str] = {
    "same": "Same person",
    "unclear": "Too close to call",
    "different": "Different people",
}

# False reject rates for which a card states a distance, decreasing, and the one used if the data can measure it.
FRRS = (1e-1, 5e-2, 2e-2, 1e-2, 1e-3)
PREFERRED_FRR = 5e-2

# A rate needs at least this many pairs on its far side; fewer are chance.
_MIN_PAIRS = 10


@dataclass(frozen=True)
class Verdict:
    """An answer in words.

    outcome : 'same', 'unclear' or 'different'
    headline : the answer in two to four words
    explanation : the distance, the threshold it was compared with, and both error rates
    """

    outcome: Outcome
    headline: str
    explanation: str


@dataclass(frozen=True)
class Decision:
    """The two distances that separate the answers, and their error rates.

    accept : squared distance up to which (inclusive) two faces are the same person
    far : fraction of different-person pairs within `accept`
    reject : squared distance beyond which two faces are different people; None if it was not measured, and then there
        are only two answers
    frr : fraction of same-person pairs beyond `reject`; None if `reject` is None
    groups : number of groups of people that were measured, none of which exceeds `far`; 0 if `far` is that of average
        pairs
    """

    accept: float
    far: float
    reject: float | None = None
    frr: float | None = None
    groups: int = 0

    @property
    def beyond(self) -> float:
        """Squared distance beyond which the answer is 'different people'."""
        return self.accept if self.reject is None else max(self.accept, self.reject)

    def outcome(self, distance: float) -> Outcome:
        """Return the answer for a squared distance."""
        if distance <= self.accept:
            return "same"
        return "different" if distance > self.beyond else "unclear"

    def verdict(self, distance: float) -> Verdict:
        """Return the answer for a squared distance, in words."""
        outcome = self.outcome(distance)
        where = {
            "same": f"within the threshold {self.accept:.3f}",
            "unclear": f"between {self.accept:.3f} and {self.beyond:.3f}",
            "different": f"beyond {self.beyond:.3f}",
        }[outcome]
        return Verdict(outcome, HEADLINES[outcome], f"The squared distance is {distance:.3f}, {where}. {self.errors}")

    @property
    def errors(self) -> str:
        """Both error rates, as one sentence."""
        accepted = f"Of pairs of different people, {share_in_words(self.far)} are within {self.accept:.3f}"
        if self.groups:
            accepted = (
                f"Of pairs of different people, at most {share_in_words(self.far)} are within {self.accept:.3f} in "
                f"each of {self.groups} measured groups"
            )
        if self.reject is None or self.frr is None:
            return (
                f"{accepted}; the share of pairs of the same person beyond it was not measured for this model, "
                "so the answer is never 'too close to call'."
            )
        most = "at most " if self.reject < self.accept else ""
        return (
            f"{accepted}; of pairs of the same person, {most}{share_in_words(self.frr)} are beyond {self.beyond:.3f}."
        )


def measurable_frr(genuine_pairs: int) -> float | None:
    """False reject rate to decide at: `PREFERRED_FRR`, or the next of `FRRS` that the pairs can measure, or None."""
    enough = [rate for rate in FRRS if rate >= PREFERRED_FRR and rate * genuine_pairs >= _MIN_PAIRS - 1e-9]
    return min(enough, default=None)


def share_in_words(share: float) -> str:
    """Format a share as '1 in 1,000', or as a percentage if that would need rounding."""
    if share <= 0:
        return "none"
    one_in = round(1 / share)
    if abs(one_in * share - 1) < 1e-6:
        return f"1 in {one_in:,}"
    return f"{share:.2g} of them" if share < 1e-4 else f"{100 * share:.3g} %"


def other_faces(name: str, faces: int, face: int, chosen: bool) -> str | None:
    """Message about a photo with several faces of which one was compared; None if it shows only one.

    Parameters
    ----------
    name : str
        Of the photo.
    faces : int
        Number of faces in the photo.
    face : int
        Number of the face that was compared, from 1 in reading order.
    chosen : bool
        Whether the caller asked for this face.
    """
    if faces < 2:
        return None
    if chosen:
        return f"{name} shows {faces} faces; face {face} was compared, as asked"
    return f"{name} shows {faces} faces; face {face}, the largest, was compared. Choose another by its number"
