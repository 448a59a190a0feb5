"""An album: photos, the faces in them, the clusters of these faces, and every decision about them."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import ArrayLike

from facespace.album.constraints import Naming
from facespace.album.cut import cut_of
from facespace.album.ingest import ingest, ingest_uploads, missing_photos
from facespace.album.placement import Placement, moves
from facespace.album.records import Added, AlbumCluster, AlbumFace, MaybeSame
from facespace.album.store import AlbumStore, Decision
from facespace.clustering.arrange import Floats, Ints, arrange, carry, part, pieces
from facespace.clustering.confidence import Confidence, confidence, questions
from facespace.clustering.threshold import Cut
from facespace.errors import AlbumError
from facespace.images import Skipped, photos_in
from facespace.metric import as_points, normalise
from facespace.space import Failure, Space


class Album:
    """Photos grouped by person, in one SQLite file. Use it in a `with` statement, or `close` it.

    If the `with` statement fails, a file that it created and that is still empty is deleted.

    A decision is stored as what it says about faces: two faces show the same person, two faces show different people,
    or a face has a name. It is kept when the album is reclustered, can be undone at any time, and is refused if it
    contradicts another. Two faces in one photo are different people unless a decision about these two says otherwise.

    Parameters
    ----------
    path : path
    space : Space
    threshold : float or None
        Squared distance to cut at; None uses the model card's, adapted to the collection.
    create : bool
        Create the file if it does not exist; otherwise that is an error.

    Raises
    ------
    AlbumError
        The file is not an album, is damaged, or holds embeddings of another space.
    ModelError
        The card has no clustering threshold and none was given.
    """

    def __init__(self, path: str | os.PathLike[str], space: Space, threshold: float | None = None, create: bool = True):
        self._space = space
        self._cut = cut_of(space.card.require_decisions()) if threshold is None else Cut(threshold)
        self._store = AlbumStore(path, space.id, space.dimension, create)
        self._placement = Placement(self._store, self._cut)

    def __enter__(self) -> "Album":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Do not leave an empty album behind after a failure.
        if kind is not None and self._store.discard_unused():
            return
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._store.close()

    # Reading.

    def clusters(self) -> list[AlbumCluster]:
        """List the clusters, largest first."""
        faces = self._placement.current()
        shown = np.flatnonzero((faces.photo >= 0) & (faces.cluster >= 0))
        if not len(shown):
            return []
        labels, sure = self._confidence(shown)
        names = self._placement.names()
        order = np.lexsort((shown, -sure.membership, np.arange(len(shown)) != sure.representative[labels], labels))
        found = []
        for own in np.split(order, np.flatnonzero(np.diff(labels[order])) + 1):
            number = int(faces.cluster[shown[own[0]]])
            members = tuple(
                AlbumFace(int(faces.ids[r]), str(faces.paths[r]), faces.boxes[r], float(sure.membership[i]))
                for i, r in zip(own, shown[own], strict=True)
            )
            found.append(AlbumCluster(number, names.get(number), members, float(sure.cohesion[labels[own[0]]])))
        return sorted(found, key=lambda cluster: (-len(cluster.faces), cluster.number))

    def questions(self, limit: int = 20) -> list[MaybeSame]:
        """Pairs of clusters that may be the same person; first those whose answer is expected to settle most."""
        faces = self._placement.current()
        shown = np.flatnonzero((faces.photo >= 0) & (faces.cluster >= 0))
        if len(shown) < 2:
            return []
        labels = np.unique(faces.cluster[shown], return_inverse=True)[1]
        known = self._placement.constraints().of(shown, len(faces.ids))
        return [
            MaybeSame(
                int(faces.ids[shown[q.a]]),
                int(faces.ids[shown[q.b]]),
                (int(faces.cluster[shown[q.a]]), int(faces.cluster[shown[q.b]])),
                q.probability,
                q.gain,
            )
            for q in questions(faces.points[shown], labels, self._cut, self.threshold, known, limit)
        ]

    def failures(self) -> list[Failure]:
        """List the photos that could not be used, and why."""
        return [Failure(path, reason) for path, reason in self._store.failures()]

    def history(self) -> list[Decision]:
        """List all decisions, including undone ones."""
        return self._store.decisions()

    def pairs(self) -> dict[int, list[tuple[int, int, bool]]]:
        """For each decision, the pairs of faces that it declares the same person (True) or different people."""
        return self._store.pairs()

    def names_given(self) -> dict[int, tuple[int, str]]:
        """For each decision that names a cluster, the face that represents the cluster, and the name."""
        return self._store.names_given()

    def embeddings(self, faces: Sequence[int]) -> Floats:
        """Embeddings of some faces, float32, shape (n, d), L2 norm 1, rounded to float16.

        Raises
        ------
        AlbumError
            A face does not exist.
        """
        return normalise(self._placement.current().points[self._placement.rows(faces)])

    def thumbnails(self, faces: Sequence[int]) -> list[bytes | None]:
        """Small pictures of some faces, WebP."""
        return self._store.thumbnails(faces)

    @property
    def threshold(self) -> float:
        """Squared distance at which the clusters are cut."""
        return self._placement.threshold()

    # Adding photos and names.

    def add(
        self,
        photos: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
        on_photo: Callable[[], None] | None = None,
    ) -> Added:
        """Add the faces of new photos to the clusters. Existing faces are not processed again, and numbers stay.

        Photos that are in the album and have not changed are skipped, so an interrupted `add` can be repeated. A photo
        that was moved or renamed is recognised by its content and keeps its faces. Faces of deleted photos stay in the
        album, and the photos are reported: see `missing` and `forget_missing`.

        Parameters
        ----------
        photos : a folder, or paths
        on_photo : callable or None
            Progress callback, called after each photo.

        Raises
        ------
        DataError
            The folder does not exist, or has no photos.
        """
        skipped: list[Skipped] = []
        listed = photos_in(photos, skipped.append) if isinstance(photos, str | os.PathLike) else list(photos)
        skipped = [entry for entry in skipped if not self._is_own(entry.path)]
        added = ingest(self._space, self._store, listed, on_photo)
        self._placement.join_new()
        return Added(
            photos=len(listed),
            faces=added.faces,
            known=added.known,
            failures=added.failures,
            skipped=tuple(skipped),
            moved=added.moved,
            missing=tuple(self.missing()),
        )

    def _is_own(self, path: Path) -> bool:
        """Whether a file is the album itself, or belongs to a contact sheet written for it."""
        album = self._store.path
        own = {album.name, f"{album.name}-wal", f"{album.name}-shm", "clusters.csv", "clusters.json", "index.html"}
        return path.name in own and path.parent.resolve() == album.parent.resolve()

    def missing(self) -> list[str]:
        """List the photos of the album whose file no longer exists."""
        return missing_photos(self._store.seen())

    def forget_missing(self) -> int:
        """Delete the faces of missing photos, and the decisions about them; returns the number of faces.

        This cannot be undone. Photos on a disconnected drive count as missing, too.
        """
        return self._store.forget_photos(self.missing())

    def add_uploads(
        self, photos: Mapping[str, bytes], on_photo: Callable[[], None] | None = None, workers: int | None = None
    ) -> Added:
        """Add photos given as bytes by name, as `add`; the bytes are not stored.

        Parameters
        ----------
        photos : mapping of name to bytes
            Another photo added before under the same name is replaced.
        on_photo : callable or None
            Progress callback, called after each photo; an exception from it stops the work and keeps what was done.
        workers : int or None
            Threads; None uses one per core.
        """
        added = ingest_uploads(self._space, self._store, photos, on_photo, workers)
        self._placement.join_new()
        return Added(len(photos), added.faces, added.known, added.failures)

    def know(self, people: Mapping[str, ArrayLike]) -> None:
        """Import names from a gallery: embeddings (k, d) of each person. They replace those imported before."""
        self._store.replace_people(
            (name, as_points(points, self._space.dimension, f"embeddings of {name!r}"))
            for name, points in people.items()
        )
        self._placement.join_new()

    def recluster(self) -> None:
        """Recluster all faces, keeping every decision; each number goes to the cluster with most of its faces."""
        faces = self._placement.current()
        found = arrange(faces.points, self._cut, self._placement.constraints())
        self._placement.write(faces, self._placement.named_ids(faces, faces.cluster, found.labels), found.cut)

    # Decisions.

    def merge(self, clusters: Sequence[int]) -> int:
        """Decide that some clusters are one person; the first keeps its number. Returns the decision's number."""
        faces, target = self._placement.current(), self._placement.members(clusters[0])
        labels = faces.cluster.copy()
        bonds = []
        for number in clusters[1:]:
            members = self._placement.members(number)
            labels[faces.cluster == number] = clusters[0]
            bonds.append(self._placement.bond(self._placement.typical(target), self._placement.typical(members), True))
        return self._placement.decide(f"merge {' '.join(map(str, clusters))}", bonds, [], labels)

    def split(self, faces: Sequence[int]) -> int:
        """Decide that these faces of one cluster are one person, and nobody else of that cluster is that person."""
        stored, rows = self._placement.current(), self._placement.rows(faces)
        homes = set(stored.cluster[rows].tolist())
        if len(homes) != 1:
            raise AlbumError(f"the faces to split off must be in one cluster, not in {sorted(homes)}; split one by one")
        others = np.setdiff1d(self._placement.members(homes.pop()), rows)
        if not len(others):
            raise AlbumError("these are all faces of the cluster; leave at least one in it")
        labels = stored.cluster.copy()
        labels[rows] = self._store.next_cluster()
        bonds = [self._placement.bond(rows[0], row, True) for row in rows[1:]]
        bonds += [self._placement.bond(rows[0], row, False) for row in others]
        return self._placement.decide(f"split off {_listed(faces)}", bonds, [], labels)

    def move(self, faces: Sequence[int], cluster: int) -> int:
        """Decide that these faces belong to another cluster."""
        stored, rows = self._placement.current(), self._placement.rows(faces)
        target = np.setdiff1d(self._placement.members(cluster), rows)
        if not len(target):
            raise AlbumError(f"cluster {cluster} has only the faces to move; name another cluster")
        bonds = []
        for row in rows:
            bonds.append(self._placement.bond(self._placement.typical(target), row, True))
            left = np.setdiff1d(self._placement.members(int(stored.cluster[row])), rows)
            if stored.cluster[row] != cluster and len(left):
                bonds.append(self._placement.bond(self._placement.typical(left), row, False))
        labels = stored.cluster.copy()
        labels[rows] = cluster
        return self._placement.decide(f"move {_listed(faces)} to {cluster}", bonds, [], labels)

    def name(self, cluster: int, name: str) -> int:
        """Name a cluster; clusters with the same name become one."""
        faces, members = self._placement.current(), self._placement.members(cluster)
        if not (name := name.strip()):
            raise AlbumError("a name must not be blank")
        labels = faces.cluster.copy()
        for number, other in self._placement.names().items():
            if other == name and number != cluster:
                labels[faces.cluster == number] = cluster
        naming = Naming(int(faces.ids[self._placement.typical(members)]), name, "")
        return self._placement.decide(f"name {cluster} {name}", [], [naming], labels)

    def same(self, a: int, b: int) -> int:
        """Decide that two faces are the same person, and merge their clusters."""
        faces, (row, other) = self._placement.current(), self._placement.rows([a, b])
        labels = faces.cluster.copy()
        if faces.cluster[row] != faces.cluster[other]:
            labels[faces.cluster == faces.cluster[other]] = faces.cluster[row]
        return self._placement.decide(f"{a} is {b}", [self._placement.bond(row, other, True)], [], labels)

    def different(self, a: int, b: int) -> int:
        """Decide that two faces are different people; a cluster that holds both is split."""
        faces, (row, other) = self._placement.current(), self._placement.rows([a, b])
        labels, bond = faces.cluster.copy(), self._placement.bond(row, other, False)
        if faces.cluster[row] == faces.cluster[other]:
            members = self._placement.members(int(faces.cluster[row]))
            known = self._placement.constraints([bond]).of(members, len(labels))
            parts = part(faces.points[members], known)
            labels[members] = carry(labels[members], parts, self._store.next_cluster())
        return self._placement.decide(f"{a} is not {b}", [bond], [], labels)

    def undo(self, decision: int | None = None) -> Decision:
        """Undo a decision, or the last one if None: its faces return to where they were.

        Raises
        ------
        AlbumError
            There is no decision to undo, or it was undone already.
        """
        standing = [entry for entry in self._store.decisions() if entry.undone is None]
        chosen = [entry for entry in standing if decision in (None, entry.id)][-1:]
        if not chosen:
            raise AlbumError("there is nothing to undo" if decision is None else f"no decision {decision} is in force")
        faces = self._placement.current()
        labels = faces.cluster.copy()
        moved = self._store.moved_by(chosen[0].id)
        touched = np.array([cluster for _, *both in moved for cluster in both], np.int64)
        for face, before, after in moved:
            row = int(np.searchsorted(faces.ids, face))
            if row < len(labels) and faces.ids[row] == face and labels[row] == after:
                labels[row] = before
        known = self._placement.constraints(without=chosen[0].id)
        labels = self._placement.settled(faces, labels, known, touched)
        self._store.undo(chosen[0].id, moves(faces, labels))
        return chosen[0]

    def _confidence(self, rows: Ints) -> tuple[Ints, Confidence]:
        faces = self._placement.current()
        points, labels = faces.points[rows], np.unique(faces.cluster[rows], return_inverse=True)[1]
        known = self._placement.constraints().of(rows, len(faces.ids))
        alike = pieces(points, labels, self.threshold, known)
        whole = confidence(points, labels, self._cut, self.threshold)
        # Membership depends on similarity, not on which cluster a decision put the face in.
        return labels, replace(whole, membership=confidence(points, alike, self._cut, self.threshold).membership)


def _listed(faces: Sequence[int]) -> str:
    return " ".join(map(str, faces))
