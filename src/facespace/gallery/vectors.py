"""What a gallery asks of a vector engine."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]
Floats = NDArray[np.float32]

# Format of what is written to an engine; a higher number was written by a newer version of facespace.
FORMAT = 1


@dataclass(frozen=True)
class State:
    """What an engine holds.

    gallery : random mark of the gallery that it belongs to
    space : id of the space of its points
    number : number of the last change of the store that it contains
    kind : 'exact' or 'approximate'
    format : format of the tables
    """

    gallery: str
    space: str
    number: int
    kind: str = "exact"
    format: int = FORMAT


class Engine(Protocol):
    """A vector engine. Every method raises GalleryError, with the engine's reason, if it fails.

    Threads may share it. One process changes it at a time; the others see a change at their next call.
    """

    where: str

    def state(self) -> State | None:
        """The state that was written last; None if there is none, or if a table is missing."""
        ...

    def begin(self, state: State, dimension: int) -> None:
        """Delete all points and write the state."""
        ...

    def change(self, ids: Ids, points: Floats, gone: Ids, state: State) -> None:
        """Replace points with the same ids, add new ones, delete others, and then write the state.

        The state is written last, so a change that was interrupted is repeated by the next process.
        """
        ...

    def propose(self, queries: Floats, k: int) -> Ids:
        """Ids that are probably the nearest of each query, int64, shape (n, k), -1 where there are fewer."""
        ...

    def count(self) -> int:
        """Number of points."""
        ...

    def build(self, state: State) -> None:
        """Build the index of the state's kind over all points, and write the state."""
        ...

    def compact(self) -> bool:
        """Delete the files that contain deleted points; returns whether none is left."""
        ...
