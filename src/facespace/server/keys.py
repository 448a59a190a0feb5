"""API keys: who may do what, how often. Only hashes of them are kept."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

from facespace.gallery import acting_as


class Scope(StrEnum):
    """What a key may do. Of the first four each includes those before it; the others stand alone."""

    VERIFY = "verify"
    READ = "read"
    ENROL = "enrol"
    ADMIN = "admin"
    EMBEDDINGS = "embeddings"
    METRICS = "metrics"


LEVELS = (Scope.VERIFY, Scope.READ, Scope.ENROL, Scope.ADMIN)


@dataclass(frozen=True)
class Caller:
    """Who asks.

    name : of the key; None where no keys are used
    scopes : everything it may do
    """

    name: str | None
    scopes: frozenset[Scope]

    @contextmanager
    def acting(self) -> Iterator[None]:
        """The audit log has this caller's name meanwhile."""
        with acting_as(f"key {self.name}" if self.name else None):
            yield


def included(scopes: frozenset[Scope]) -> frozenset[Scope]:
    """Scopes with all that they include."""
    highest = max((LEVELS.index(scope) for scope in scopes if scope in LEVELS), default=-1)
    more = {Scope.METRICS} if Scope.ADMIN in scopes else set()
    return scopes | frozenset(LEVELS[: highest + 1]) | more


EVERYBODY = Caller(None, frozenset(Scope))
