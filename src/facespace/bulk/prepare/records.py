"""What preparing a training set gives."""

from collections import Counter
from dataclasses import dataclass

from facespace.bulk.prepare.select import Decision
from facespace.images import PassedOver


@dataclass(frozen=True)
class Prepared:
    """What became of a folder of people.

    people, faces : by split, 'train' and 'val'
    decisions : each person's faces, kept or not, and why
    failures : photos that could not be used or show no face, with the reason
    passed_over : entries of the folder that were not taken, and why
    """

    people: dict[str, int]
    faces: dict[str, int]
    decisions: dict[str, list[Decision]]
    failures: dict[str, str]
    passed_over: tuple[PassedOver, ...] = ()

    @property
    def left_out(self) -> dict[str, int]:
        """Faces left out by reason, the most frequent first."""
        kinds = (decision.kind for own in self.decisions.values() for decision in own)
        return dict(Counter(kind for kind in kinds if kind is not None).most_common())
