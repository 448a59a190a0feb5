"""Find and store the faces of photos in an album, in batches, so that an interruption loses little."""

import hashlib
import io
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from facespace.album.store import AlbumStore, NewFace, NewPhoto, SeenPhoto
from facespace.images import Photo, name_of, path_of, small_picture, text_of
from facespace.space import Failure, Space, found_stream

# Photos per transaction.
_TOGETHER = 64

# Side of the stored picture of a face, in pixels.
_THUMBNAIL = 112


@dataclass(frozen=True)
class Ingested:
    """Counts of an ingestion: faces found, unchanged photos skipped, photos moved, and photos left out."""

    faces: int
    known: int
    moved: tuple[tuple[str, str], ...]
    failures: tuple[Failure, ...]


def ingest(
    space: Space, store: AlbumStore, photos: Sequence[str | os.PathLike[str]], on_photo: Callable[[], None] | None
) -> Ingested:
    """Find, embed and store the faces of photos that are new or have changed.

    A photo with the same bytes as one that has disappeared is that photo, moved: it keeps its faces.
    """
    paths = [os.path.realpath(photo) for photo in photos]
    found = {text_of(path): path for path in paths}
    stamps = {name: _stamp(path) for name, path in found.items()}
    moves = _moves(store.seen(), found, stamps)
    if moves:
        store.move_photos(moves)
    named: dict[str, Photo] = dict(found)
    done = _ingest(space, store, named, stamps, on_photo)
    moved = tuple((old, new) for old, (new, _) in moves.items() if old != new)
    return replace(done, moved=moved)


def ingest_uploads(
    space: Space,
    store: AlbumStore,
    photos: Mapping[str, bytes],
    on_photo: Callable[[], None] | None,
    workers: int | None = None,
) -> Ingested:
    """Ingest photos given as bytes by name, without files; as `ingest`."""
    named: dict[str, Photo] = {}
    for name, content in photos.items():
        file = io.BytesIO(content)
        file.name = name
        named[name] = file
    stamps = {name: (len(content), _number(content)) for name, content in photos.items()}
    return _ingest(space, store, named, stamps, on_photo, workers)


def missing_photos(seen: Iterable[str]) -> list[str]:
    """Photos of an album whose file does not exist; uploads never had one."""
    return [name for name in seen if Path(name).is_absolute() and not Path(path_of(name)).is_file()]


def _moves(
    seen: Mapping[str, SeenPhoto], found: Mapping[str, str], stamps: Mapping[str, tuple[int, int]]
) -> dict[str, tuple[str, SeenPhoto]]:
    """Photos that were moved or only touched, by old path: the new path, and the file's properties there."""
    unknown = [name for name in found if name not in seen or seen[name][:2] != stamps[name]]
    if not unknown:
        return {}
    still = {name for name in found if name in seen and seen[name][:2] == stamps[name]}
    gone = missing_photos(name for name in seen if name not in still)
    candidates: dict[int, list[str]] = {}
    for name in dict.fromkeys([*gone, *(name for name in unknown if name in seen)]):
        candidates.setdefault(seen[name].size, []).append(name)
    moves: dict[str, tuple[str, SeenPhoto]] = {}
    for name in unknown:
        alike = [old for old in candidates.get(stamps[name][0], ()) if old not in moves]
        digest = _digest(found[name]) if alike else None
        if digest is None:
            continue
        now = SeenPhoto(*stamps[name], digest)
        # Of several copies, prefer the one at the same path or with the same name.
        alike.sort(key=lambda old: (old != name, Path(old).name != Path(name).name))
        old = next((old for old in alike if _same(seen[old], now)), None)
        if old is not None:
            moves[old] = (name, now)
    return moves


def _same(before: SeenPhoto, now: SeenPhoto) -> bool:
    if before.digest is None:  # stored by a version that did not record it
        return before.modified == now.modified
    return before.digest == now.digest


def _ingest(
    space: Space,
    store: AlbumStore,
    photos: Mapping[str, Photo],
    stamps: Mapping[str, tuple[int, int]],
    on_photo: Callable[[], None] | None,
    workers: int | None = None,
) -> Ingested:
    seen = store.seen()
    # A photo rejected as truncated may be accepted with this setting.
    refused = {name for name, _ in store.failures()} if space.finder.truncated else set()
    new: list[Photo] = []
    for name, photo in photos.items():
        if name not in seen or seen[name][:2] != stamps[name] or name in refused:
            new.append(photo)
        elif on_photo:
            on_photo()
    faces, failures = 0, []
    waiting: list[NewPhoto] = []
    for name, failure, found in _found(space, new, workers):
        photo = photos[name]
        digest = _digest(photo) if isinstance(photo, str) else None
        waiting.append(NewPhoto(name, *stamps[name], failure, found, digest))
        faces += len(found)
        if failure:
            failures.append(Failure(name, failure))
        if len(waiting) >= _TOGETHER:
            store.add_photos(waiting)
            waiting.clear()
        if on_photo:
            on_photo()
    store.add_photos(waiting)
    return Ingested(faces, len(photos) - len(new), (), tuple(failures))


def _found(space: Space, photos: list[Photo], workers: int | None) -> Iterator[tuple[str, str | None, list[NewFace]]]:
    for found, points in found_stream(space, photos, workers):
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
        # Decoding reports what is wrong with it.
        return 0, 0
    return stat.st_size, stat.st_mtime_ns


def _digest(path: str) -> bytes | None:
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError:
        return None


def _number(content: bytes) -> int:
    """A number to store in place of the modification time; SQLite's integers are signed."""
    return int.from_bytes(hashlib.sha256(content).digest()[:7])
