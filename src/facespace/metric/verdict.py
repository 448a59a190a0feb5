"""What a distance between two faces means, in words: the same person, different people, or too close to call.

Two distances divide the answers. Up to the accept threshold two faces are the same person; it is chosen by the share of
different-person pairs that are within it (the false accept rate). Beyond the reject distance they are different
people; it is chosen by the share of same-person pairs that are beyond it (the false reject rate). Between the two,
neither answer is as reliable as it should be.

The library, the command line, the HTTP service and its page all take their words from here.
"""

from dataclasses import dataclass
from typing import Literal

Outcome = Literal["same", "unclear", "different"]

HEADLINES: dict[Outcome, str] = {
    "same": "Same person",
    "unclear": "Too close to call",
    "different": "Different people",
}

# False reject rates that a card states a distance for, falling, and the one that decides where the data reach it.
FRRS = (1e-1, 5e-2, 2e-2, 1e-2, 1e-3)
PREFERRED_FRR = 1e-2

# A rate that fewer pairs decide is chance.
_LEAST_PAIRS = 10


@dataclass(frozen=True)
class Verdict:
    """An answer in words.

    outcome : 'same', 'unclear' or 'different'
    headline : the answer in two to four words
    explanation : the distance, what it was compared with, and both error rates
    """

    outcome: Outcome
    headline: str
    explanation: str


@dataclass(frozen=True)
class Decision:
    """The two distances that divide the answers, and what is known of their errors.

    accept : squared distance up to which (inclusive) two faces are the same person
    far : share of different-person pairs within `accept`
    reject : squared distance beyond which two faces are different people; None where nobody measured it, and then
        there are two answers only
    frr : share of same-person pairs beyond `reject`; None where `reject` is
    groups : how many groups of people were measured, none of which exceeds `far`; 0 where it is that of average pairs
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
        """The answer at a squared distance."""
        if distance <= self.accept:
            return "same"
        return "different" if distance > self.beyond else "unclear"

    def verdict(self, distance: float) -> Verdict:
        """The answer at a squared distance, in words."""
        outcome = self.outcome(distance)
        where = {
            "same": f"within the threshold {self.accept:.3f}",
            "unclear": f"between {self.accept:.3f} and {self.beyond:.3f}",
            "different": f"beyond {self.beyond:.3f}",
        }[outcome]
        return Verdict(outcome, HEADLINES[outcome], f"The squared distance is {distance:.3f}, {where}. {self.errors}")

    @property
    def errors(self) -> str:
        """Both error rates as one sentence."""
        accepted = f"Of pairs of different people, {share_in_words(self.far)} are within {self.accept:.3f}"
        if self.groups:
            accepted = (
                f"Of pairs of different people, at most {share_in_words(self.far)} are within {self.accept:.3f} in "
                f"each of {self.groups} measured groups"
            )
        if self.reject is None or self.frr is None:
            return (
                f"{accepted}; how many pairs of the same person are beyond it was not measured for this model, "
                "so it never answers 'too close to call'."
            )
        most = "at most " if self.reject < self.accept else ""
        return (
            f"{accepted}; of pairs of the same person, {most}{share_in_words(self.frr)} are beyond {self.beyond:.3f}."
        )


def measurable_frr(genuine_pairs: int) -> float | None:
    """The false reject rate to decide at: `PREFERRED_FRR`, or the next of `FRRS` that enough pairs decide, or None."""
    enough = [rate for rate in FRRS if rate >= PREFERRED_FRR and rate * genuine_pairs >= _LEAST_PAIRS - 1e-9]
    return min(enough, default=None)


def share_in_words(share: float) -> str:
    """A share as '1 in 1,000', or as a percentage where that would need rounding."""
    if share <= 0:
        return "none"
    one_in = round(1 / share)
    if abs(one_in * share - 1) < 1e-6:
        return f"1 in {one_in:,}"
    return f"{share:.2g} of them" if share < 1e-4 else f"{100 * share:.3g} %"


def other_faces(name: str, faces: int, face: int, chosen: bool) -> str | None:
    """What to say of a photo with several faces, of which one was compared; None where there is only one.

    Parameters
    ----------
    name : str
        Of the photo.
    faces : int
        How many faces it shows.
    face : int
        Number of the one that was compared, from 1 in reading order.
    chosen : bool
        Whether the caller asked for that one.
    """
    if faces < 2:
        return None
    if chosen:
        return f"{name} shows {faces} faces; face {face} was compared, as asked"
    return f"{name} shows {faces} faces; face {face}, the largest, was compared. Any other can be chosen by its number"
