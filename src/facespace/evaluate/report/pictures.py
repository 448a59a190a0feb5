"""Select the photos shown in a report: correct and wrong pairs, searches, clusters."""

import base64
import io
from dataclasses import dataclass
from functools import cache

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from facespace.evaluate.answers import Evaluation

# Limits on the pairs of each kind, searches, clusters, and faces of a cluster shown.
SHOWN_RIGHT, SHOWN_WRONG, SHOWN_SEARCHES, SHOWN_GROUPS, SHOWN_FACES = 6, 18, 24, 24, 40


@dataclass(frozen=True)
class PhotoPair:
    """Two faces with their distance, and whether the card's threshold decides wrongly (None without a threshold)."""

    a: str
    b: str
    names: str
    photos: str
    distance: float
    wrong: bool | None


@dataclass(frozen=True)
class ShownSearch:
    """A search: the probe, the nearest person, the answer and the truth."""

    probe: str
    best: str | None
    candidate: str
    distance: float
    probability: float | None
    answer: str
    truth: str
    right: bool


@dataclass(frozen=True)
class ShownFace:
    """A face of a cluster."""

    uri: str
    name: str
    wrong: bool


@dataclass(frozen=True)
class ShownGroup:
    """A cluster.

    size : number of faces
    main : name of its most frequent person
    of : total number of photos of that person
    wrong : number of faces of other people
    """

    size: int
    main: str
    of: int
    wrong: int
    faces: tuple[ShownFace, ...]


class Pictures:
    """Selects and crops the photos of an evaluation's report."""

    def __init__(self, evaluation: Evaluation):
        self._evaluation = evaluation
        self._people, self._labels = evaluation.protocol.people, evaluation.protocol.labels
        self._face = cache(lambda index: photo_uri(evaluation.faces.crop(index)))

    def pairs(self) -> dict[str, list[PhotoPair]]:
        """Return the worst and the best pairs of both kinds, by distance (as in figure 6 of the paper)."""
        v = self._evaluation.verification
        if v is None:
            return {}
        # Pairs are sorted by distance.
        finite = np.isfinite(v.distances)
        same, other = np.flatnonzero(v.pairs.same & finite), np.flatnonzero(~v.pairs.same & finite)
        return {
            "Different people, closest pairs (worst)": self._pairs(other[:SHOWN_WRONG]),
            "Same person, most distant pairs (worst)": self._pairs(same[::-1][:SHOWN_WRONG]),
            "Same person, closest pairs (best)": self._pairs(same[:SHOWN_RIGHT]),
            "Different people, most distant pairs (best)": self._pairs(other[::-1][:SHOWN_RIGHT]),
        }

    def _pairs(self, chosen: NDArray[np.int64]) -> list[PhotoPair]:
        v = self._evaluation.verification
        assert v is not None
        decided = self._evaluation.space.card.decisions is not None
        threshold = self._evaluation.space.threshold() if decided else None
        found = []
        for index in chosen:
            a, b, same = int(v.pairs.a[index]), int(v.pairs.b[index]), bool(v.pairs.same[index])
            distance = float(v.distances[index])
            names = dict.fromkeys(self._people[self._labels[face]] for face in (a, b))
            photos = " and ".join(self._evaluation.faces.names[face] for face in (a, b))
            wrong = None if threshold is None else (distance <= threshold) != same
            found.append(PhotoPair(self._face(a), self._face(b), " and ".join(names), photos, distance, wrong))
        return found

    def searches(self) -> list[ShownSearch]:
        """Return searches of the gallery: wrong ones first, then the correct ones nearest to the threshold."""
        result = self._evaluation.search
        if result is None:
            return []
        s, threshold = result.searches, result.threshold
        accepted = s.distances <= (np.inf if threshold is None else threshold)
        right = np.where(s.mated, (s.rank == 1) & accepted, ~accepted)
        if threshold is None:
            right = ~s.mated | (s.rank == 1)
        margin = np.abs(s.distances - (0 if threshold is None else threshold))
        first = {int(self._labels[face]): int(face) for face in result.gallery[::-1]}
        decided = self._evaluation.space.card.decisions is not None
        found = []
        for at in np.lexsort((margin, right))[:SHOWN_SEARCHES]:
            nearest, truth = int(s.nearest[at]), self._people[s.truth[at]]
            candidate = "(no face)" if nearest < 0 else self._people[nearest]
            found.append(
                ShownSearch(
                    probe=self._face(int(result.probes[at])),
                    best=None if nearest < 0 else self._face(first[nearest]),
                    candidate=candidate,
                    distance=float(s.distances[at]),
                    probability=float(self._evaluation.space.probability(s.distances[at])) if decided else None,
                    answer=candidate if accepted[at] and nearest >= 0 else "unknown",
                    truth=truth if s.mated[at] else f"{truth}, a stranger",
                    right=bool(right[at]),
                )
            )
        return found

    def groups(self) -> list[ShownGroup]:
        """Return clusters as contact sheets, those with faces of other people first; such faces are marked."""
        groups, members_of = self._evaluation.groups, self._evaluation.grouped
        if groups is None or members_of is None:
            return []
        found = []
        labels = self._labels[members_of]
        for group in range(int(groups.max()) + 1):
            members = np.flatnonzero(groups == group)
            people, counts = np.unique(labels[members], return_counts=True)
            main = int(people[counts.argmax()])
            wrong = labels[members] != main
            found.append((int(wrong.sum()), len(members), main, members[np.argsort(~wrong, kind="stable")]))
        found.sort(key=lambda entry: entry[:2], reverse=True)
        return [
            ShownGroup(
                size=size,
                main=self._people[main],
                of=int((labels == main).sum()),
                wrong=wrong,
                faces=tuple(
                    ShownFace(self._face(int(members_of[m])), self._people[labels[m]], bool(labels[m] != main))
                    for m in members[:SHOWN_FACES]
                ),
            )
            for wrong, size, main, members in found[:SHOWN_GROUPS]
        ]


def data_uri(kind: str, content: bytes) -> str:
    """Encode content as a data URI."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def photo_uri(pixels: NDArray[np.uint8]) -> str:
    """Encode a photo (h, w, 3) as a data URI."""
    target = io.BytesIO()
    PIL.Image.fromarray(pixels).save(target, "WEBP", quality=85)
    return data_uri("image/webp", target.getvalue())
