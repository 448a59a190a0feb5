"""A cache of embeddings, with the photo's bytes, the space and the way to find the face as the key.

There is one SQLite file per space in the user's cache folder. Embeddings are biometric data, so only its owner can read
it. It can be deleted at any time, since everything in it can be computed again.
"""

import hashlib
import os
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from facespace.database import log_ahead
from facespace.errors import DataError

_SCHEMA = "CREATE TABLE IF NOT EXISTS faces (key BLOB PRIMARY KEY, face BLOB NOT NULL) STRICT, WITHOUT ROWID"

# Older versions of SQLite allow at most 999 parameters.
_QUERY = 500

# Numbers stored with an embedding: box, landmarks, quality.
_LOCATION = 4 + 10 + 1


@dataclass(frozen=True)
class CachedFace:
    """A face with its embedding, or the fact that no face was found.

    embedding : float32, shape (d,); None if no face was found
    box : float32, shape (4,), NaN if unknown
    landmarks : float32, shape (5, 2), NaN if unknown
    quality : 0 to 1, NaN if unknown
    """

    embedding: NDArray[np.float32] | None
    box: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    quality: float


NO_FACE = CachedFace(None, np.full(4, np.nan, np.float32), np.full((5, 2), np.nan, np.float32), np.nan)


class EmbeddingCache:
    """Cached embeddings of one space. Use it in a `with` statement.

    Parameters
    ----------
    space_id : str
    folder : path or None
        None uses `default_folder()`.

    Raises
    ------
    DataError
        The folder cannot be written.
    """

    def __init__(self, space_id: str, folder: str | os.PathLike[str] | None = None):
        root = default_folder() if folder is None else Path(folder)
        self.path = root / f"{space_id[:32]}.db"
        try:
            root.mkdir(parents=True, exist_ok=True, mode=0o700)
            with suppress(FileExistsError):
                os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            self._connection = _connect(self.path)
        except (OSError, sqlite3.OperationalError) as error:
            raise DataError(
                f"cannot cache embeddings in {root}: {getattr(error, 'strerror', None) or error}; set FACESPACE_CACHE "
                "to another folder, or disable the cache with --no-cache"
            ) from None

    def __enter__(self) -> "EmbeddingCache":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def find(self, keys: Sequence[bytes]) -> dict[bytes, CachedFace]:
        """Return the cached faces among these keys."""
        found: dict[bytes, CachedFace] = {}
        for start in range(0, len(keys), _QUERY):
            part = keys[start : start + _QUERY]
            marks = ",".join("?" * len(part))
            rows = self._connection.execute(f"SELECT key, face FROM faces WHERE key IN ({marks})", part)
            found.update((key, _unpack(face)) for key, face in rows)
        return found

    def keep(self, faces: Iterable[tuple[bytes, CachedFace]]) -> None:
        """Add faces to the cache; with a full disk they are not cached, without an error."""
        with suppress(sqlite3.OperationalError), self._connection:
            self._connection.executemany(
                "INSERT OR REPLACE INTO faces VALUES (?, ?)", [(key, _pack(face)) for key, face in faces]
            )


def default_folder() -> Path:
    """Return FACESPACE_CACHE if it is set, else `facespace/embeddings` in the user's cache folder."""
    chosen = os.environ.get("FACESPACE_CACHE")
    if chosen:
        return Path(chosen)
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "facespace" / "embeddings"


def face_key(photo: bytes, preparation: str) -> bytes:
    """Return the cache key of a photo's main face.

    Parameters
    ----------
    photo : bytes
        The content of the file.
    preparation : str
        Everything except the space that determines which part of the photo the network sees.
    """
    digest = hashlib.sha256(hashlib.sha256(photo).digest())
    digest.update(preparation.encode() + b"\0" + code_version().encode())
    return digest.digest()


@cache
def code_version() -> str:
    """Return a hash of the code that turns bytes into embeddings, so that results of other versions are not used."""
    digest = hashlib.sha256()
    for package in ("images", "faces", "model", "space"):
        modules = [entry for entry in files(f"facespace.{package}").iterdir() if entry.name.endswith(".py")]
        for module in sorted(modules, key=lambda entry: entry.name):
            digest.update(module.read_bytes())
    return digest.hexdigest()


def _connect(path: Path) -> sqlite3.Connection:
    """Open the cache file; a damaged one is replaced by an empty one."""
    for last in (False, True):
        connection = sqlite3.connect(path, timeout=60)
        try:
            log_ahead(connection)
            # Entries lost in a crash are embedded again.
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(_SCHEMA)
            connection.execute("SELECT key FROM faces LIMIT 1")
        except sqlite3.OperationalError:
            connection.close()
            raise
        except sqlite3.DatabaseError:
            connection.close()
            if last:
                raise
            path.write_bytes(b"")
        else:
            return connection
    raise AssertionError


def _pack(face: CachedFace) -> bytes:
    numbers = np.concatenate([face.box, face.landmarks.ravel(), [face.quality]]).astype("<f4")
    points = np.empty(0, "<f4") if face.embedding is None else face.embedding.astype("<f4")
    return numbers.tobytes() + points.tobytes()


def _unpack(row: bytes) -> CachedFace:
    numbers = np.frombuffer(row, "<f4")
    embedding = numbers[_LOCATION:]
    return CachedFace(
        embedding=embedding if len(embedding) else None,
        box=numbers[:4],
        landmarks=numbers[4:14].reshape(5, 2),
        quality=float(numbers[14]),
    )
