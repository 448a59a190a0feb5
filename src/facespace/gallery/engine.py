"""Search in a vector engine beside the store: for galleries that no single machine searches fast enough.

The engine proposes people; the distances that decide are computed from the templates in the store, by the same
arithmetic as those of `ExactIndex`. So answers do not depend on how an engine compresses points, nothing in it is
truth, and an engine that was lost is written again from the store.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facespace.errors import GalleryError
from facespace.gallery.deadline import Deadline
from facespace.gallery.store import Store
from facespace.index import Hits
from facespace.index.rows import NO_ID, Rows, as_queries
from facespace.metric import dequantise, normalise

Ids = NDArray[np.int64]
Floats = NDArray[np.float32]
T = TypeVar("T")

# Of what is written to an engine; one that holds a higher one was written by a newer facespace.
FORMAT = 1

# The setting of a gallery that names its engine.
SETTING = "engine"

# People written at once: a transaction of the engine, and how long another writer waits at most.
TOGETHER = 10_000

# An engine that is empty is filled by whoever searches first up to so many people; beyond, somebody has to ask for it.
FILLED_UNASKED = 100_000

# People that an engine proposes for each face: at least so many, and so many times as many as asked for.
PROPOSED, TIMES = 400, 4

# Up to so many people an engine compares with all; beyond, `build` makes it approximate unless told otherwise.
EXACT_UP_TO = 100_000

# Seconds to wait for what an engine reads. Writing has no limit, because a late write could undo the next one.
ANSWERS_WITHIN = 30.0


@dataclass(frozen=True)
class State:
    """What an engine holds.

    gallery : the mark of the gallery that it belongs to
    space : of its points
    number : of the last change of the store that is in it
    kind : 'exact' or 'approximate'
    format : of what was written
    """

    gallery: str
    space: str
    number: int
    kind: str = "exact"
    format: int = FORMAT


class Engine(Protocol):
    """A vector engine. Every method raises GalleryError, with the engine's reason, where it cannot do what it should.

    Safe to share between threads. One process changes it at a time; others see a change at their next call.
    """

    where: str

    def state(self) -> State | None:
        """What was noted last; None where there is nothing, or not all of what there should be."""
        ...

    def begin(self, state: State, dimension: int) -> None:
        """Drop everything, and hold no points."""
        ...

    def change(self, ids: Ids, points: Floats, gone: Ids, state: State) -> None:
        """Put points in place of those with the same ids, add new ones, take others out, and then note the state.

        Stopped half way, it is repeated by whoever comes next: the state is noted last.
        """
        ...

    def propose(self, queries: Floats, k: int) -> Ids:
        """Ids that are probably the nearest of each query, int64, shape (n, k), -1 where there are fewer."""
        ...

    def count(self) -> int:
        """How many points there are."""
        ...

    def build(self, state: State) -> None:
        """Make the structures of the state's kind over all points, and note the state."""
        ...

    def compact(self) -> bool:
        """Delete the files that hold points which were taken out; whether none is left."""
        ...


def open_engine(address: str) -> Engine:
    """The engine at an address; GalleryError where the address or the engine's package is missing.

    Parameters
    ----------
    address : str
        lancedb:PLACE, where PLACE is a folder or an object store that every process sees (s3://bucket/folder, gs://,
        az://); credentials come from the environment as the store's own tools read them.
    """
    name, _, place = address.partition(":")
    if name == "lancedb" and place:
        from facespace.gallery.lance import LanceEngine

        return LanceEngine(place)
    raise GalleryError(f"{address!r} is no vector engine; give lancedb:FOLDER or lancedb:s3://bucket/folder")


class EngineIndex:
    """The templates of a store in an engine, followed by whoever searches first after a change.

    Parameters
    ----------
    store : Store
        Not an encrypted one: the engine would hold its points in the clear.
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
        # A number that this gallery alone has, made when it is first needed.
        self._mark = store.setting("mark", secrets.token_hex(8))

    def __len__(self) -> int:
        # The threshold follows from how many people there are, not from how many an engine has got.
        return self._store.count()

    @property
    def kind(self) -> str:
        """'exact' or 'approximate'."""
        state = self._in_time(self._engine.state)
        return state.kind if state else "exact"

    def follow(self, filling: bool = False) -> None:
        """Write to the engine what has changed in the store; another process may have done so already.

        Raises
        ------
        GalleryError
            The engine cannot be reached or written; or it is empty and there are too many people to write them
            unasked. Nothing in the store is touched.
        """
        begins = 0
        while not self._is_current():
            with self._store.writing("index"):
                state = self._begun(filling)
                begins += state.number == 0
                if begins > 2:
                    raise GalleryError(
                        f"{self._engine.where} keeps other points than were written to it; delete it, or name another "
                        "place with: facespace gallery index --engine"
                    )
                number, templates, gone = self._store.templates_since(state.number, TOGETHER)
                if number != state.number:
                    codes = np.array([t.code for t in templates], np.int8).reshape(-1, self._store.dimension)
                    points = normalise(dequantise(codes)) if len(codes) else np.empty(codes.shape, np.float32)
                    ids = np.array([template.person_id for template in templates], np.int64)
                    following = replace(state, number=number)
                    self._engine.change(ids, points, np.array(gone, np.int64), following)

    def search(self, queries: ArrayLike, k: int) -> Hits:
        """The k nearest of each query among those the engine proposes; as for `ExactIndex.search`."""
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
            # An engine may name somebody twice while it is changed.
            mine = np.unique(place[number][known[number]])
            similarity = stored.similarities(asked, np.full(len(mine), number), mine)
            near = np.clip(2 - 2 * similarity, 0, 4)
            order = np.lexsort((people[mine], near))[:k]
            distances[number, : len(order)] = near[order]
            ids[number, : len(order)] = people[mine][order]
        return Hits(distances, ids)

    def build(self, kind: str) -> None:
        """Write everybody anew, and the structures of the kind ('exact' or 'approximate')."""
        if kind not in ("exact", "approximate"):
            raise GalleryError(f"a vector engine is 'exact' or 'approximate', not {kind!r}")
        with self._store.writing("index"):
            self._engine.begin(self._new_state(), self._store.dimension)
        self.follow(filling=True)
        with self._store.writing("index"):
            state = self._begun(filling=True)
            self._engine.build(replace(state, kind=kind))

    def forget(self) -> bool:
        """Delete whoever was removed from the engine's files; whether nothing of them is left there."""
        try:
            self.follow()
            with self._store.writing("index"):
                return self._engine.compact()
        except GalleryError:
            # The person is gone from the store all the same, and is found by nobody.
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
        """Whether the engine holds what the store holds, as far as numbers say without reading all points."""
        state = self._in_time(self._engine.state)
        if state is None or not self._is_ours(state) or state.number != self._store.last_change():
            return False
        return self._checked

    def _is_whole(self, state: State) -> bool:
        """Whether an engine that says that it is current has as many points as the store; while nobody writes."""
        if self._checked or state.number < self._store.last_change():
            return True
        # An engine or a store that was restored from an older copy, or lost a part, may say what is not so.
        current = state.number == self._store.last_change()
        self._checked = current and self._in_time(self._engine.count) == self._store.count()
        return self._checked

    def _begun(self, filling: bool) -> State:
        """The engine's state. It is begun again if it has none, lost points, or holds points of another space."""
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
        """Whether an engine's points are this store's, of its space; GalleryError where they are somebody else's."""
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
    """The engine that a gallery names in its settings; None where it names none."""
    address = store.setting(SETTING)
    # A gallery that may only be read cannot be followed by an engine; it is searched in memory.
    return EngineIndex(store, opened(address)) if address and not store.read_only else None
