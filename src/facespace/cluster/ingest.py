"""From photos to faces of an album, a batch at a time, so that an interruption loses little."""

import hashlib
import io
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from facespace.cluster.store import AlbumStore, NewFace
from facespace.embed import Failure, Space
from facespace.images import Photo, name_of, small_picture

# Photos kept in one transaction.
_TOGETHER = 64

# Side of the small picture of a face, in pixels.
_THUMBNAIL = 112


@dataclass(frozen=True)
class Ingested:
    """What came of it: faces found, photos passed over as known and unchanged, and photos left out."""

    faces: int
    known: int
    failures: tuple[Failure, ...]


def ingest(
    space: Space, store: AlbumStore, photos: Sequence[str | os.PathLike[str]], on_photo: Callable[[], None] | None
) -> Ingested:
    """Find, embed and keep the faces of photos that are new or have changed."""
    paths = [os.fspath(Path(photo).resolve()) for photo in photos]
    return _ingest(space, store, {path: path for path in paths}, {path: _stamp(path) for path in paths}, on_photo)


def ingest_uploads(
    space: Space,
    store: AlbumStore,
    photos: Mapping[str, bytes],
    on_photo: Callable[[], None] | None,
    workers: int | None = None,
) -> Ingested:
    """As `ingest`, for photos by name that lie in memory and in no file."""
    named: dict[str, Photo] = {}
    for name, content in photos.items():
        file = io.BytesIO(content)
        file.name = name
        named[name] = file
    stamps = {name: (len(content), _digest(content)) for name, content in photos.items()}
    return _ingest(space, store, named, stamps, on_photo, workers)


def _ingest(
    space: Space,
    store: AlbumStore,
    photos: Mapping[str, Photo],
    stamps: Mapping[str, tuple[int, int]],
    on_photo: Callable[[], None] | None,
    workers: int | None = None,
) -> Ingested:
    seen = store.seen()
    new: list[Photo] = []
    for name, photo in photos.items():
        if seen.get(name) != stamps[name]:
            new.append(photo)
        elif on_photo:
            on_photo()
    faces, failures = 0, []
    waiting: list[tuple[str, int, int, str | None, list[NewFace]]] = []
    for path, failure, found in _found(space, new, workers):
        waiting.append((path, *stamps[path], failure, found))
        faces += len(found)
        if failure:
            failures.append(Failure(path, failure))
        if len(waiting) >= _TOGETHER:
            store.add_photos(waiting)
            waiting.clear()
        if on_photo:
            on_photo()
    store.add_photos(waiting)
    return Ingested(faces, len(photos) - len(new), tuple(failures))


def _found(space: Space, photos: list[Photo], workers: int | None) -> Iterator[tuple[str, str | None, list[NewFace]]]:
    for found, points in space.found_stream(photos, workers):
        failure = found.failure or (None if found.faces else "no face found")
        yield (
            name_of(found.photo),
            failure,
            [
                NewFace(face.box, point, small_picture(face.pixels, _THUMBNAIL))
                for face, point in zip(found.faces, points, strict=True)
            ],
        )


def _stamp(path: str) -> tuple[int, int]:
    try:
        stat = Path(path).stat()
    except OSError:
        # Decoding will say what is wrong with it.
        return 0, 0
    return stat.st_size, stat.st_mtime_ns


def _digest(content: bytes) -> int:
    """In place of a time of change; SQLite's integers have a sign."""
    return int.from_bytes(hashlib.sha256(content).digest()[:7])
