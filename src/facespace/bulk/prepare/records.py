"""The result of preparing a training set."""

from collections import Counter
from dataclasses import dataclass

from facespace.bulk.prepare.select import Decision
from facespace.deprecated import Renamed
from facespace.images import Skipped


@dataclass(frozen=True)
class Prepared:
    """Result of preparing a folder of people.

    people, faces : numbers by split, 'train' and 'val'
    decisions : each person's faces, whether they were kept, and why
    failures : photos that could not be used or show no face, with the reason
    skipped : entries of the folder that were ignored, and why
    """

    people: dict[str, int]
    faces: dict[str, int]
    decisions: dict[str, list[Decision]]
    failures: dict[str, str]
    skipped: tuple[Skipped, ...] = ()

    passed_over = Renamed("skipped")

    @property
    def left_out(self) -> dict[str, int]:
        """Faces left out by reason, the most frequent first."""
        kinds = (decision.kind for own in self.decisions.values() for decision in own)
        return dict(Counter(kind for kind in kinds if kind is not None).most_common())
