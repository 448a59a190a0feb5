"""API keys with scopes and rate limits. A file stores their hashes; a key itself is shown only when it is created.

A key has 256 random bits, so a plain SHA-256 is enough: unlike a password, it cannot be guessed.
"""

import contextlib
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from filelock import FileLock
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from facespace.errors import FacespaceError
from facespace.files import replacing
from facespace.gallery import acting_as
from facespace.validation import Sha256, explain, nearest_name


class Scope(StrEnum):
    """Scopes of a key. Each of the first four levels includes the previous one; the others are separate."""

    VERIFY = "verify"
    READ = "read"
    ENROL = "enrol"
    ADMIN = "admin"
    EMBEDDINGS = "embeddings"
    EMBEDDING_SEARCH = "embedding-search"
    METRICS = "metrics"


LEVELS = (Scope.VERIFY, Scope.READ, Scope.ENROL, Scope.ADMIN)


class KeysError(FacespaceError):
    """A key file cannot be read, written or changed as requested."""


class KeptKey(BaseModel):
    """A stored key.

    name : chosen at creation; appears in the log and in the audit log
    sha256 : hash of the key, in hex
    scopes : what it allows
    rate : requests per minute; None for no limit
    created, expires : seconds since 1970; None for never
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,60}$")]
    sha256: Sha256
    scopes: Annotated[tuple[Scope, ...], Field(min_length=1)]
    rate: Annotated[float, Field(gt=0)] | None = None
    created: float
    expires: float | None = None


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    keys: list[KeptKey] = []


@dataclass(frozen=True)
class Caller:
    """The caller of a request.

    name : name of the key; None if the service uses no keys
    scopes : all scopes, including implied ones
    rate : requests per minute, or None for no limit
    """

    name: str | None
    scopes: frozenset[Scope]
    rate: float | None = None

    @contextmanager
    def acting(self) -> Iterator[None]:
        """Record this caller in the audit log within a `with` statement."""
        with acting_as(f"key {self.name}" if self.name else None):
            yield


def as_scopes(names: Iterable[str]) -> tuple[Scope, ...]:
    """Return scopes by name. Raises KeysError with the nearest name if one is unknown."""
    known = [scope.value for scope in Scope]
    for name in names:
        if name not in known:
            raise KeysError(f"there is no scope {name!r}{nearest_name(name, known)}")
    return tuple(Scope(name) for name in names)


UNRESTRICTED = Caller(None, frozenset(Scope))


class KeyFile:
    """A file of keys. It is read again when it changes, so a removed key is rejected at once.

    Parameters
    ----------
    path : Path
        Created when the first key is added, readable by its owner only.
    """

    def __init__(self, path: Path):
        self.path = path
        self._stamp: tuple[int, int, int] | None = None
        self._keys: dict[str, KeptKey] = {}

    def keys(self) -> list[KeptKey]:
        """Return the keys in the order of their creation."""
        with contextlib.suppress(FileNotFoundError):
            stat = self.path.stat()
            stamp = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            if stamp != self._stamp:
                self._keys = {key.sha256: key for key in self._read().keys}
                self._stamp = stamp
            return list(self._keys.values())
        self._stamp, self._keys = None, {}
        return []

    def caller(self, key: str) -> Caller | None:
        """Return the caller with this key, or None if the key is unknown or expired."""
        self.keys()
        digest = hashlib.sha256(key.encode()).hexdigest()
        found = self._keys.get(digest)
        if found is None or not hmac.compare_digest(found.sha256, digest):
            return None
        if found.expires is not None and found.expires < time.time():
            return None
        return Caller(found.name, included(frozenset(found.scopes)), found.rate)

    def add(self, name: str, scopes: tuple[Scope, ...], rate: float | None = None, expires: float | None = None) -> str:
        """Create a key, store its hash and return the key, which is stored nowhere."""
        key = f"fs_{secrets.token_urlsafe(32)}"
        digest = hashlib.sha256(key.encode()).hexdigest()
        with self._changing() as file:
            if any(kept.name == name for kept in file.keys):
                raise KeysError(f"{self.path} already has a key {name!r}; remove it first, or choose another name")
            try:
                kept = KeptKey(name=name, sha256=digest, scopes=scopes, rate=rate, created=time.time(), expires=expires)
            except ValidationError as error:
                raise KeysError(f"the key cannot be created:\n{explain(error, KeptKey)}") from None
            file.keys.append(kept)
        return key

    def remove(self, name: str) -> None:
        """Remove a key. It is rejected from the next request on."""
        with self._changing() as file:
            left = [kept for kept in file.keys if kept.name != name]
            if len(left) == len(file.keys):
                known = [kept.name for kept in file.keys]
                raise KeysError(f"{self.path} has no key {name!r}{nearest_name(name, known)}")
            file.keys = left

    def _read(self) -> _File:
        try:
            return _File.model_validate(json.loads(self.path.read_bytes()))
        except FileNotFoundError:
            return _File()
        except ValidationError as error:
            raise KeysError(f"{self.path} is not a key file:\n{explain(error, _File)}") from None
        except (OSError, ValueError) as error:
            raise KeysError(
                f"cannot read the keys in {self.path}: {error}; check the path and its permissions"
            ) from None

    @contextmanager
    def _changing(self) -> Iterator[_File]:
        """Yield the content of the file for a change. One process at a time; the write is atomic."""
        try:
            with FileLock(self.path.with_name(f".{self.path.name}.lock"), mode=0o600):
                file = self._read()
                yield file
                with replacing(self.path, private=True) as partial:
                    partial.write_text(file.model_dump_json(indent=2) + "\n")
        except OSError as error:
            raise KeysError(f"cannot write the keys in {self.path}: {error.strerror}; check the path") from None


def included(scopes: frozenset[Scope]) -> frozenset[Scope]:
    """Return the scopes together with the ones they include."""
    highest = max((LEVELS.index(scope) for scope in scopes if scope in LEVELS), default=-1)
    more = {Scope.METRICS} if Scope.ADMIN in scopes else set()
    return scopes | frozenset(LEVELS[: highest + 1]) | more


class Rates:
    """Rate limits: a token bucket per key that refills at its rate and holds one minute of requests.

    Parameters
    ----------
    workers : int
        Number of processes that share the rate of each key.
    """

    def __init__(self, workers: int = 1):
        self._workers = workers
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, caller: Caller, now: float) -> float:
        """Count a request at monotonic time `now`. Returns 0 if it is allowed, else the seconds until one is."""
        if caller.rate is None or caller.name is None:
            return 0.0
        rate = caller.rate / self._workers
        holds = max(1.0, rate)
        level, since = self._buckets.get(caller.name, (holds, now))
        level = min(holds, level + (now - since) * rate / 60)
        if level < 1:
            self._buckets[caller.name] = (level, now)
            return (1 - level) * 60 / rate
        self._buckets[caller.name] = (level - 1, now)
        return 0.0
