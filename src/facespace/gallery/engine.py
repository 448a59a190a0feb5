"""Search in a vector engine beside the store, for galleries that one machine cannot search fast enough.

The engine proposes people. The distances that decide are computed from the templates in the store, with the arithmetic
of `ExactIndex`. So answers do not depend on how an engine compresses points, and an engine that was lost is rebuilt
from the store.
"""

import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike

from facespace.errors import GalleryError
from facespace.gallery.deadline import Deadline
from facespace.gallery.store import Store
from facespace.gallery.vectors import FORMAT, Engine, State
from facespace.index import Hits
from facespace.index.rows import NO_ID, Rows, as_queries
from facespace.metric import dequantise, normalise

T = TypeVar("T")

# The setting of a gallery that names its engine.
SETTING = "engine"

# People written in one transaction of the engine; other writers wait for at most one.
TOGETHER = 10_000

# The first search fills an empty engine if the gallery has at most this many people; otherwise `build` is required.
FILLED_UNASKED = 100_000

# People that an engine proposes for each face: at least PROPOSED, and TIMES the number requested.
PROPOSED, TIMES = 400, 4

# Up to this many people a search is exact unless another kind is asked for, above that approximate.
EXACT_UP_TO = 100_000

# Seconds to wait for what an engine reads. Writing has no limit, because a late write could undo the next one.
ANSWERS_WITHIN = 30.0


def open_engine(address: str) -> Engine:
    """Open the engine at an address; GalleryError if the address is wrong or the engine's package is missing.

    Parameters
    ----------
    address : str
        lancedb:PLACE, where PLACE is a folder or an object store that every process can read and write
        (s3://bucket/folder, gs://, az://). Credentials come from the object store's usual environment variables.
    """
    name, _, place = address.partition(":")
    if name == "lancedb" and place:
        from facespace.gallery.lance import LanceEngine

        return LanceEngine(place)
    raise GalleryError(f"{address!r} is no vector engine; give lancedb:FOLDER or lancedb:s3://bucket/folder")


class EngineIndex:
    """The templates of a store in an engine. The first search after a change writes the change to the engine.

    Parameters
    ----------
    store : Store
        Not encrypted: the engine would hold its points in the clear.
    engine : Engine
    """

    def __init__(self, store: Store, engine: Engine):
        if store.sealed:
            raise GalleryError(
                f"{store.where} is encrypted, and a vector engine would hold its embeddings in the clear; "
                "it is searched in memory"
            )
        self._store, self._engine = store, engine
        self._deadline = Deadline(ANSWERS_WITHIN)
        self._checked = False
        # A random mark of this gallery, created when it is first needed.
        self._mark = store.setting("mark", secrets.token_hex(8))

    def __len__(self) -> int:
        # The threshold depends on the number of people in the gallery, not in the engine.
        return self._store.count()

    @property
    def kind(self) -> str:
        """'exact' or 'approximate'."""
        state = self._in_time(self._engine.state)
        return state.kind if state else "exact"

    @property
    def usual_kind(self) -> str:
        """The kind to build for this number of people."""
        return "exact" if len(self) <= EXACT_UP_TO else "approximate"

    def follow(self, filling: bool = False) -> None:
        """Write the store's changes to the engine, unless another process has done so already.

        Raises
        ------
        GalleryError
            The engine cannot be reached or written, or it is empty and the gallery is too large to fill it here. The
            store is not changed.
        """
        begins = 0
        while not self._is_current():
            with self._store.writing("index"):
                state = self._begun(filling)
                begins += state.number == 0
                if begins > 2:
                    raise GalleryError(
                        f"{self._engine.where} does not contain the points that were written to it; delete it, or name "
                        "another place with: facespace gallery index --engine"
                    )
                number, templates, gone = self._store.templates_since(state.number, TOGETHER)
                if number != state.number:
                    codes = np.array([t.code for t in templates], np.int8).reshape(-1, self._store.dimension)
                    points = normalise(dequantise(codes)) if len(codes) else np.empty(codes.shape, np.float32)
                    ids = np.array([template.person_id for template in templates], np.int64)
                    following = replace(state, number=number)
                    self._engine.change(ids, points, np.array(gone, np.int64), following)

    def search(self, queries: ArrayLike, k: int) -> Hits:
        """The k nearest of each query among the people that the engine proposes; as `ExactIndex.search`."""
        asked = as_queries(queries, self._store.dimension, k)
        distances = np.full((len(asked), k), np.inf, np.float32)
        ids = np.full((len(asked), k), NO_ID, np.int64)
        if not len(asked):
            return Hits(distances, ids)
        proposed = self._in_time(lambda: self._engine.propose(asked, max(PROPOSED, TIMES * k)))
        people, codes = self._store.template_codes(np.unique(proposed[proposed >= 0]).tolist())
        rows = Rows(self._store.dimension)
        rows.append(people, codes)
        stored = rows.stored()
        place = np.searchsorted(people, proposed)
        known = np.isin(proposed, people)
        for number in range(len(asked)):
            # An engine may return a person twice while it is changed.
            mine = np.unique(place[number][known[number]])
            similarity = stored.similarities(asked, np.full(len(mine), number), mine)
            near = np.clip(2 - 2 * similarity, 0, 4)
            order = np.lexsort((people[mine], near))[:k]
            distances[number, : len(order)] = near[order]
            ids[number, : len(order)] = people[mine][order]
        return Hits(distances, ids)

    def build(self, kind: str) -> None:
        """Write all people again, and build an index of the kind ('exact' or 'approximate')."""
        if kind not in ("exact", "approximate"):
            raise GalleryError(f"a vector engine is 'exact' or 'approximate', not {kind!r}")
        with self._store.writing("index"):
            self._engine.begin(self._new_state(), self._store.dimension)
        self.follow(filling=True)
        with self._store.writing("index"):
            state = self._begun(filling=True)
            self._engine.build(replace(state, kind=kind))

    def forget(self) -> bool:
        """Delete removed people from the engine's files; returns whether none of their data is left there."""
        try:
            self.follow()
            with self._store.writing("index"):
                return self._engine.compact()
        except GalleryError:
            # The person was removed from the store all the same, so no search finds them.
            return False

    def _in_time(self, read: Callable[[], T]) -> T:
        """What the engine reads; GalleryError if it does not answer in time."""
        try:
            return self._deadline.wait(read)
        except TimeoutError as error:
            raise GalleryError(
                f"the vector engine {self._engine.where} is too slow: {error}; the gallery itself is untouched. Check "
                "the network and the load of the storage; the next search tries again"
            ) from None

    def _is_current(self) -> bool:
        """Whether the engine has the store's last change; the number of points is checked once."""
        state = self._in_time(self._engine.state)
        if state is None or not self._is_ours(state) or state.number != self._store.last_change():
            return False
        return self._checked

    def _is_whole(self, state: State) -> bool:
        """Whether an engine whose state is current has as many points as the store; call it in a transaction."""
        if self._checked or state.number < self._store.last_change():
            return True
        # If an engine or a store was restored from an older copy, or lost a part, its state may be wrong.
        current = state.number == self._store.last_change()
        self._checked = current and self._in_time(self._engine.count) == self._store.count()
        return self._checked

    def _begun(self, filling: bool) -> State:
        """The engine's state. It is emptied first if it has none, lost points, or holds points of another space."""
        state = self._in_time(self._engine.state)
        if state is not None and self._is_ours(state) and self._is_whole(state):
            return state
        if not filling and self._store.count() > FILLED_UNASKED:
            raise GalleryError(
                f"{self._engine.where} does not hold the {self._store.count():,} people of {self._store.where}; write "
                f"them with: facespace gallery index -g {self._store.where}"
            )
        state = self._new_state(state.kind if state else "exact")
        self._engine.begin(state, self._store.dimension)
        return state

    def _is_ours(self, state: State) -> bool:
        """Whether the engine's points are of the store's space; GalleryError if they are another gallery's."""
        if state.format > FORMAT:
            raise GalleryError(f"{self._engine.where} was written by a newer facespace; upgrade facespace")
        if state.gallery != self._mark:
            raise GalleryError(
                f"{self._engine.where} holds the points of another gallery than {self._store.where}; name another "
                "place for each gallery, or delete that one if its gallery is gone"
            )
        return state.space == self._store.space_id

    def _new_state(self, kind: str = "exact") -> State:
        self._checked = False
        return State(self._mark, self._store.space_id, 0, kind)


def engine_of(store: Store, opened: Callable[[str], Engine] = open_engine) -> EngineIndex | None:
    """The engine named in a gallery's settings, or None."""
    address = store.setting(SETTING)
    # For a read-only gallery an engine cannot be kept up to date; it is searched in memory.
    return EngineIndex(store, opened(address)) if address and not store.read_only else None
