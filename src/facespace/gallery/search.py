"""Search for the nearest people of a store, through an index that is kept up to date with it."""

import shutil
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facespace.errors import FacespaceWarning, GalleryError
from facespace.gallery.engine import SETTING, EngineIndex, engine_of, open_engine
from facespace.gallery.pgvector import SharedIndex, shared_index
from facespace.gallery.store import Store
from facespace.index import ExactIndex, open_index
from facespace.index.lock import SharedLock
from facespace.metric import Impostors

# Nearest templates fetched for each face: templates of few photos may overtake others when distances are adjusted.
LOOKED_AT = 20


@dataclass(frozen=True)
class Nearest:
    """The nearest people of one face, nearest first.

    people : int64, shape (k,), ids
    distances : float64, shape (k,), squared, to their templates
    adjusted : float64, shape (k,), increasing: the distances converted to templates of a single photo, which makes
        people with different numbers of photos comparable
    """

    people: NDArray[np.int64]
    distances: NDArray[np.float64]
    adjusted: NDArray[np.float64]


class Search:
    """An index over the templates of a store, brought up to date before each search. Threads may share it.

    Only changes are read again. A saved index (see `build`) is used if it is intact, and then brought up to date. In
    PostgreSQL with pgvector, the database itself searches. A gallery with a vector engine (see `use`) is searched by
    that. The index of an encrypted store is never saved.

    Parameters
    ----------
    store : Store
    impostors : Impostors or None
        Makes distances to templates of few and of many photos comparable; required by `nearest`.
    folder : Path or None
        Where the index is saved; None never saves it.
    """

    def __init__(self, store: Store, impostors: Impostors | None, folder: Path | None):
        self._store, self._impostors = store, impostors
        self._folder = None if store.sealed else folder
        # Shared by searches; held exclusively while the index is brought up to date.
        self._lock = SharedLock()
        self._own = threading.local()
        self._version: object = None
        self._number = 0
        self._index = ExactIndex(store.dimension)
        self._shared: EngineIndex | SharedIndex | None = engine_of(store) or shared_index(store)
        saved = open_index(self._folder) if self._folder else None
        if saved is not None and saved.dimension == store.dimension:
            space, _, number = saved.stamp.partition(":")
            if space == store.space_id and number.isdecimal():
                self._index, self._number = saved, int(number)

    def __len__(self) -> int:
        self.refresh()
        return len(self._index if self._shared is None else self._shared)

    @property
    def kind(self) -> str:
        """'exact', 'hnsw' if pgvector has a graph, or 'approximate' of a vector engine."""
        return self._index.kind if self._shared is None else self._shared.kind

    def refresh(self) -> None:
        """Apply what this or any other process has changed."""
        if self._store.version() == self._version:
            return
        with self._lock.writing():
            if self._shared is not None:
                version = self._store.version()
                self._shared.follow()
                self._version = version
                return
            with self._store.snapshot():
                version = self._store.version()
                number, templates, gone = self._store.templates_since(self._number)
            if templates or gone:
                codes = np.array([template.code for template in templates], np.int8).reshape(-1, self._store.dimension)
                self._index.replace([template.person_id for template in templates], codes, gone)
            self._number, self._version = number, version

    @contextmanager
    def up_to_date(self) -> Iterator[None]:
        """Hold a consistent index and store in this thread, whatever others change meanwhile.

        The index and the store have the same people with the same faces. Blocks may be nested.
        """
        if getattr(self._own, "inside", False):
            yield
            return
        while True:
            self.refresh()
            with self._lock.reading(), self._store.snapshot():
                # The store may have changed since the refresh.
                if self._store.version() != self._version:
                    continue
                self._own.inside = True
                try:
                    yield
                finally:
                    self._own.inside = False
                return

    def build(self, kind: str | None = None) -> str:
        """Rebuild the index from the store and save it, so that it need not be built when next opened.

        Parameters
        ----------
        kind : 'exact', 'hnsw', 'approximate' or None
            'hnsw', a graph, needs pgvector, and 'approximate' a vector engine; elsewhere every search is exact. None
            decides by the number of people.

        Returns
        -------
        str
            The kind that was built.
        """
        if self._shared is not None:
            chosen = kind or self._shared.usual_kind
            self._shared.build(chosen)
            return chosen
        if kind not in (None, "exact"):
            warnings.warn(
                f"kind={kind!r} needs pgvector or a vector engine; built an exact index", FacespaceWarning, stacklevel=2
            )
        number, templates, _ = self._store.templates_since(0)
        index = ExactIndex(self._store.dimension)
        if templates:
            index.add([t.person_id for t in templates], np.stack([t.code for t in templates]))
        if self._folder:
            try:
                index.save(self._folder, f"{self._store.space_id}:{number}")
            except OSError as error:
                raise GalleryError(
                    f"cannot save the index in {self._folder}: {error.strerror}; check the path, its permissions and "
                    "the free space"
                ) from None
        with self._lock.writing():
            self._index, self._number, self._version = index, number, None
        return index.kind

    def use(self, address: str | None) -> None:
        """Search with a vector engine from now on, in every process that opens the gallery; None stops using one.

        `build` fills the engine. Processes that have the gallery open continue as before, with the same answers.

        Parameters
        ----------
        address : str or None
            As for `facespace.gallery.engine.open_engine`.

        Raises
        ------
        GalleryError
            There is no such engine, its package is not installed, or the gallery is encrypted. Nothing is changed then.
        """
        shared = EngineIndex(self._store, open_engine(address)) if address else shared_index(self._store)
        self._store.change_setting(SETTING, address or "")
        with self._lock.writing():
            self._shared, self._version = shared, None

    def forget(self) -> bool:
        """Delete the saved index, because it still holds a deleted person; returns whether no index holds them now."""
        gone = self._shared is None or self._shared.forget()
        if self._folder and self._folder.is_dir():
            shutil.rmtree(self._folder)
        return gone

    def nearest(self, embeddings: NDArray[np.float32], k: int) -> list[Nearest]:
        """Find the k nearest people of each face; embeddings float32, shape (n, d)."""
        impostors = self._impostors
        if impostors is None:
            raise GalleryError("searching a gallery needs its model: open it with a space")
        with self.up_to_date():
            index = self._index if self._shared is None else self._shared
            try:
                hits = index.search(embeddings, max(k, LOOKED_AT))
            except GalleryError:
                # A vector engine that lost its points is filled again before the next search.
                self._version = None
                raise
            facts = self._store.template_facts(np.unique(hits.ids[hits.ids >= 0]).tolist())
        return [
            _of_one(ids, distances, facts, impostors, k)
            for ids, distances in zip(hits.ids, hits.distances, strict=True)
        ]


def _of_one(
    ids: NDArray[np.int64],
    distances: NDArray[np.float32],
    facts: dict[int, tuple[int, float]],
    impostors: Impostors,
    k: int,
) -> Nearest:
    present = np.array([person in facts for person in ids.tolist()], bool)
    people, near = ids[present], distances[present].astype(np.float64)
    faces = np.array([facts[person][0] for person in people.tolist()], np.int64)
    lengths = np.array([facts[person][1] for person in people.tolist()], np.float64)
    adjusted = impostors.comparable(near, faces, lengths)
    order = np.lexsort((near, adjusted))[:k]
    return Nearest(people[order], near[order], adjusted[order])
