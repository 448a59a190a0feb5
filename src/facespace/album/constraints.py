"""Constraints from decisions: these two faces are one person, these two are not, this one is Ada.

Two faces of one photo are different people unless a decision says of just these two that they are the same (a mirror, a
collage). Faces are identified by number; every constraint has a reason to report.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facespace.errors import AlbumError

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Bond:
    """Two faces that are (`together`) or are not the same person, and who says so."""

    a: int
    b: int
    together: bool
    why: str


@dataclass(frozen=True)
class Naming:
    """A face with its person's name, and who says so."""

    face: int
    name: str
    why: str


@dataclass(frozen=True)
class FaceConstraints:
    """All constraints on some faces.

    bonds, namings : in the order they were made
    photos : the photo of each face; a gallery's face has none
    """

    bonds: tuple[Bond, ...]
    namings: tuple[Naming, ...]
    photos: Mapping[int, int]

    def links(self) -> list[Bond]:
        """Bonds between faces of one person, including faces with equal names."""
        first: dict[str, int] = {}
        links = [bond for bond in self.bonds if bond.together]
        for naming in self.namings:
            other = first.setdefault(naming.name, naming.face)
            if other != naming.face:
                links.append(Bond(other, naming.face, True, f"both are named {naming.name!r}"))
        return links

    def check(self) -> None:
        """Check that the constraints are consistent.

        Raises
        ------
        AlbumError
            Two constraints contradict each other; the message gives the chain from one to the other.
        """
        graph: dict[int, list[Bond]] = {}
        for bond in self.links():
            graph.setdefault(bond.a, []).append(bond)
            graph.setdefault(bond.b, []).append(bond)
        for bond in self.bonds:
            if not bond.together and (chain := _chain(graph, bond.a, bond.b)) is not None:
                raise AlbumError(_refusal(chain, f"face {bond.a} is not face {bond.b} ({bond.why})"))
        said = {frozenset((bond.a, bond.b)) for bond in self.bonds if bond.together}
        names = {naming.face: naming.name for naming in self.namings}
        for group in _groups(graph):
            _check_group(group, graph, names, self.photos, said)

    def arrays(self, faces: Ints) -> tuple[Ints, Ints, Ints]:
        """Convert to rows of `faces` (ascending numbers): pairs together (m, 2), pairs apart (k, 2), colours (n,)."""
        links = self.links()
        together = _pairs(((bond.a, bond.b) for bond in links), faces)
        said = {frozenset((bond.a, bond.b)) for bond in links}
        apart = [(bond.a, bond.b) for bond in self.bonds if not bond.together]
        of_photo: dict[int, list[int]] = {}
        for face, photo in self.photos.items():
            of_photo.setdefault(photo, []).append(face)
        apart += [
            (a, b)
            for shown in of_photo.values()
            for place, a in enumerate(shown)
            for b in shown[:place]
            if frozenset((a, b)) not in said
        ]
        colour = np.full(len(faces), -1, np.int64)
        numbers = {name: number for number, name in enumerate(dict.fromkeys(n.name for n in self.namings))}
        for naming in self.namings:
            colour[np.searchsorted(faces, naming.face)] = numbers[naming.name]
        return together, _pairs(apart, faces), colour


def _check_group(
    group: Sequence[int],
    graph: Mapping[int, list[Bond]],
    names: Mapping[int, str],
    photos: Mapping[int, int],
    said: set[frozenset[int]],
) -> None:
    """Check that faces of one person do not have two names or appear twice in one photo."""
    named: dict[str, int] = {}
    shown: dict[int, list[int]] = {}
    for face in group:
        if face in names:
            named.setdefault(names[face], face)
        for other in shown.get(photos.get(face, -1), []):
            if frozenset((face, other)) not in said:
                chain = _chain(graph, other, face) or []
                raise AlbumError(
                    _refusal(chain, f"face {other} and face {face} are in one photo")
                    + f"; if one person appears twice in it, say so of just these two: face {other} is face {face}"
                )
        if face in photos:
            shown.setdefault(photos[face], []).append(face)
    if len(named) > 1:
        (name, a), (other_name, b) = list(named.items())[:2]
        chain = _chain(graph, a, b) or []
        raise AlbumError(_refusal(chain, f"face {a} is named {name!r} and face {b} {other_name!r}"))


def _refusal(chain: Sequence[Bond], against: str) -> str:
    reasons = "; ".join(f"face {bond.a} is face {bond.b} ({bond.why})" for bond in chain)
    return f"this contradicts earlier decisions: {reasons}; but {against}"


def _chain(graph: Mapping[int, list[Bond]], a: int, b: int) -> list[Bond] | None:
    """Shortest chain of bonds from a to b, or None; [] if a is b."""
    came: dict[int, tuple[int, Bond] | None] = {a: None}
    waiting = deque([a])
    while waiting:
        face = waiting.popleft()
        if face == b:
            chain = []
            while (step := came[face]) is not None:
                face, bond = step
                chain.append(bond)
            return chain[::-1]
        for bond in graph.get(face, ()):
            other = bond.b if bond.a == face else bond.a
            if other not in came:
                came[other] = (face, bond)
                waiting.append(other)
    return None


def _groups(graph: Mapping[int, list[Bond]]) -> list[list[int]]:
    seen: set[int] = set()
    groups = []
    for start in graph:
        if start in seen:
            continue
        group, waiting = [], [start]
        seen.add(start)
        while waiting:
            face = waiting.pop()
            group.append(face)
            for bond in graph[face]:
                for other in (bond.a, bond.b):
                    if other not in seen:
                        seen.add(other)
                        waiting.append(other)
        groups.append(group)
    return groups


def _pairs(pairs: Iterable[tuple[int, int]], faces: Ints) -> Ints:
    return np.searchsorted(faces, np.array(list(pairs), np.int64).reshape(-1, 2)).astype(np.int64)
