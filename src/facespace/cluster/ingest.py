"""From photos to faces of an album, a batch at a time, so that an interruption loses little."""

import io
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from facespace.cluster.store import AlbumStore, NewFace
from facespace.embed import Failure, Space
from facespace.faces import find_stream
from facespace.images import name_of

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
    seen = store.seen()
    stamps: dict[str, tuple[int, int]] = {}
    new: list[str] = []
    for photo in photos:
        path = os.fspath(Path(photo).resolve())
        stamps[path] = _stamp(path)
        if seen.get(path) != stamps[path] or path not in seen:
            new.append(path)
        elif on_photo:
            on_photo()
    faces, failures = 0, []
    waiting: list[tuple[str, int, int, str | None, list[NewFace]]] = []
    for path, failure, found in _found(space, list(dict.fromkeys(new))):
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


def _found(space: Space, paths: list[str]) -> Iterator[tuple[str, str | None, list[NewFace]]]:
    for found, points in space.embedded(find_stream(space.finder, paths)):
        failure = found.failure or (None if found.faces else "no face found")
        yield (
            name_of(found.photo),
            failure,
            [NewFace(face.box, point, _small(face.pixels)) for face, point in zip(found.faces, points, strict=True)],
        )


def _stamp(path: str) -> tuple[int, int]:
    try:
        stat = Path(path).stat()
    except OSError:
        # Decoding will say what is wrong with it.
        return 0, 0
    return stat.st_size, stat.st_mtime_ns


def _small(pixels: NDArray[np.uint8]) -> bytes:
    picture = PIL.Image.fromarray(pixels)
    picture.thumbnail((_THUMBNAIL, _THUMBNAIL))
    content = io.BytesIO()
    picture.save(content, "WEBP", quality=75)
    return content.getvalue()
