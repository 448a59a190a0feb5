"""Placement of an album's faces in clusters: read it, check it against the constraints, write changes."""

from collections.abc import Sequence

import numpy as np

from facespace.album.constraints import Bond, FaceConstraints, Naming
from facespace.album.store import AlbumStore, StoredFaces
from facespace.clustering.arrange import Constraints, Ints, arrange, carry, join, loosened, settle
from facespace.clustering.threshold import Cut
from facespace.errors import AlbumError


class Placement:
    """The faces of an album as rows of arrays, with the constraints on them."""

    def __init__(self, store: AlbumStore, cut: Cut):
        self.store, self.cut = store, cut
        self._version: tuple[int, int] | None = None
        self._faces: StoredFaces

    def threshold(self) -> float:
        """Squared distance at which the clusters are cut."""
        cut = self.store.cut()
        return self.cut.threshold if cut is None else cut

    def decide(self, what: str, bonds: Sequence[Bond], namings: Sequence[Naming], labels: Ints) -> int:
        """Check a decision against all others, apply it to the clusters, and store both."""
        faces = self.current()
        known = self.constraints(bonds, namings)
        changed = labels != faces.cluster
        said = self.rows([face for bond in bonds for face in (bond.a, bond.b)] + [naming.face for naming in namings])
        touched = np.unique(np.concatenate([labels[changed], faces.cluster[changed], faces.cluster[said]]))
        labels = self.settled(faces, labels, known, touched)
        return self.store.decide(what, bonds, namings, moves(faces, labels))

    def settled(self, faces: StoredFaces, labels: Ints, known: Constraints, touched: Ints) -> Ints:
        """Apply the constraints to the clusters that were touched."""
        rows = np.flatnonzero(np.isin(labels, touched))
        if not len(rows):
            return labels
        number = np.unique(labels[rows], return_inverse=True)[1]
        number = np.where(labels[rows] < 0, -1, number)
        loose = np.flatnonzero(faces.photo[rows] < 0)
        arranged = settle(faces.points[rows], number, known.of(rows, len(labels)), self.threshold(), loose)
        labels = labels.copy()
        following = max(self.store.next_cluster(), int(labels.max(initial=0)) + 1)
        labels[rows] = carry(labels[rows], arranged, following)
        return labels

    def join_new(self) -> None:
        """Place the new faces, and place the clusters that they come near again."""
        faces = self.current()
        new = faces.cluster < 0
        if not new.any():
            return
        known = self.constraints()
        if new.all():
            first = arrange(faces.points, self.cut, known)
            labels, cut = first.labels, first.cut
        else:
            old = np.unique(faces.cluster, return_inverse=True)[1]
            sizes = np.bincount(old[~new])
            cut = min(self.threshold(), self.cut.of_sizes(sizes[sizes > 0].astype(np.float64)))
            labels = loosened(faces.points, np.where(new, -1, old), cut, known)
            labels = join(faces.points, labels, cut, known)
        self.write(faces, self.named_ids(faces, faces.cluster, labels), cut)

    def named_ids(self, faces: StoredFaces, before: Ints, labels: Ints) -> Ints:
        """Assign numbers to clusters; named clusters keep theirs first."""
        return carry(before, labels, self.store.next_cluster(), np.array(list(self.names()), np.int64))

    def write(self, faces: StoredFaces, ids: Ints, cut: float) -> None:
        """Store the cluster of every face."""
        self.store.place(moves(faces, ids), cut)

    def current(self) -> StoredFaces:
        """All faces; read again if this or another process has changed the file."""
        version = self.store.version()
        if version != self._version:
            self._faces = self.store.faces()
            self._version = version
        return self._faces

    def known(self, bonds: Sequence[Bond], namings: Sequence[Naming], without: int | None) -> FaceConstraints:
        """All decisions in force, plus some new ones, or without one of them."""
        faces = self.current()
        said, named = self.store.standing(without)
        named += [
            Naming(int(face), name, "the gallery") for face, name in zip(faces.ids, faces.names, strict=True) if name
        ]
        photos = dict(zip(faces.ids[faces.photo >= 0].tolist(), faces.photo[faces.photo >= 0].tolist(), strict=True))
        return FaceConstraints((*said, *bonds), (*named, *namings), photos)

    def constraints(
        self, bonds: Sequence[Bond] = (), namings: Sequence[Naming] = (), without: int | None = None
    ) -> Constraints:
        """The same constraints as rows, checked for contradictions."""
        known = self.known(bonds, namings, without)
        known.check()
        return Constraints(*known.arrays(self.current().ids))

    def names(self) -> dict[int, str]:
        """The name of each cluster that has one."""
        faces = self.current()
        known = self.known((), (), None)
        rows = np.searchsorted(faces.ids, [naming.face for naming in known.namings]).astype(np.int64)
        return {
            int(faces.cluster[row]): naming.name
            for row, naming in zip(rows, known.namings, strict=True)
            if faces.cluster[row] >= 0
        }

    def members(self, cluster: int) -> Ints:
        """Rows of a cluster's faces in photos; AlbumError if the cluster does not exist."""
        faces = self.current()
        rows = np.flatnonzero((faces.cluster == cluster) & (faces.photo >= 0))
        if not len(rows):
            raise AlbumError(f"there is no cluster {cluster} in {self.store.path}; see: facespace album show")
        return rows

    def rows(self, numbers: Sequence[int]) -> Ints:
        """Rows of faces; AlbumError if a face does not exist."""
        faces = self.current()
        rows = np.searchsorted(faces.ids, np.array(numbers, np.int64))
        for number, row in zip(numbers, rows, strict=True):
            if row >= len(faces.ids) or faces.ids[row] != number:
                raise AlbumError(f"there is no face {number} in {self.store.path}; see: facespace album show --json")
        return rows.astype(np.int64)

    def typical(self, rows: Ints) -> int:
        """The row nearest to the mean of some rows."""
        points = self.current().points[rows]
        return int(rows[((points - points.mean(axis=0)) ** 2).sum(axis=1).argmin()])

    def bond(self, a: int, b: int, together: bool) -> Bond:
        """Make a bond between the faces of two rows."""
        ids = self.current().ids
        return Bond(int(ids[a]), int(ids[b]), together, "this decision")


def moves(faces: StoredFaces, after: Ints) -> list[tuple[int, int, int]]:
    """Faces whose cluster changes: number, old cluster, new cluster."""
    changed = np.flatnonzero(faces.cluster != after)
    return list(zip(faces.ids[changed].tolist(), faces.cluster[changed].tolist(), after[changed].tolist(), strict=True))
