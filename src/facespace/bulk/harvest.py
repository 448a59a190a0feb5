"""Write the faces of many photos to a file; the work can be interrupted and continued at any time.

While it runs, one JSON line per photo is appended to a journal beside the output. The output appears only when all
photos are done: the journal is renamed, or converted to Parquet (extra `table`).
"""

import json
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from facespace.errors import DataError
from facespace.faces import Finder, Found, find_stream
from facespace.images import VIDEO_EXTENSIONS, OnSkipped, Photo, mark_as_output, read_video, text_of, walk_photos
from facespace.space import Space, embedded, found_stream

FORMATS = (".jsonl", ".parquet")


@dataclass(frozen=True)
class Source:
    """A photo and the name it has in the output; `seconds` for a frame of a video."""

    name: str
    photo: Photo
    seconds: float | None = None


def sources_in(
    path: str | os.PathLike[str], every: int = 1, on_skipped: OnSkipped = lambda skipped: None
) -> Iterator[Source]:
    """All photos under a folder, one photo, or every nth frame of a video, named relative to the folder.

    Names are text (`text_of`). Ignored entries of a folder are passed to `on_skipped`.

    Raises
    ------
    DataError, ImageError
        The folder or the video does not exist.
    """
    path = Path(path)
    if path.suffix.lower() in VIDEO_EXTENSIONS:
        for frame in read_video(path, every):
            yield Source(f"{text_of(path.name)}#{frame.number}", frame.pixels, round(frame.seconds, 3))
    elif path.is_dir() or not path.exists():
        for photo in walk_photos(path, on_skipped):
            yield Source(text_of(photo.relative_to(path).as_posix()), photo)
    else:
        yield Source(text_of(path.name), path)


@dataclass(frozen=True)
class Harvest:
    """Result of a harvest.

    photos, faces, failures : in this run
    before : photos done by an earlier, interrupted run
    seconds : duration of this run
    """

    photos: int
    faces: int
    failures: int
    before: int
    seconds: float


def harvest(
    sources: Iterable[Source],
    out: str | os.PathLike[str],
    finder: Finder | Space,
    crops: str | os.PathLike[str] | None = None,
    workers: int | None = None,
    on_photo: Callable[[dict[str, Any]], None] = lambda row: None,
) -> Harvest:
    """Find (and embed) the faces of many photos and write them to a file.

    If it was interrupted, by Ctrl-C or a power failure, another call continues after the last photo written.

    Parameters
    ----------
    sources : iterable of Source
        In the same order in each run.
    out : path
        Ends in .jsonl (one line per photo) or .parquet (one row per face; a photo without faces is a row too).
    finder : Finder or Space
        A space adds an embedding to each face.
    crops : path or None
        Folder for the aligned faces.
    workers : int or None
        As for `find_stream`.
    on_photo : callable
        Called with each row once it is written.

    Raises
    ------
    DataError
        The output exists, has another suffix, or was begun with another space.
    """

    def rows(done: set[str]) -> Iterator[dict[str, Any]]:
        for row, found in _rows((source for source in sources if source.name not in done), finder, workers):
            if crops is not None:
                _save_crops(Path(crops), row, found)
            yield row

    if crops is not None:
        # Mark the folder before the photos are walked, because it may be among them.
        with writing(crops):
            mark_as_output(Path(crops))
    return write_rows(rows, Path(out), finder if isinstance(finder, Space) else None, on_photo)


def write_rows(
    rows: Callable[[set[str]], Iterator[dict[str, Any]]],
    out: Path,
    space: Space | None,
    on_photo: Callable[[dict[str, Any]], None],
) -> Harvest:
    """Write rows, one per photo, through the journal; `rows` gets the names of the photos already in it.

    Raises
    ------
    DataError
        As for `harvest`.
    """
    started = time.monotonic()
    if out.suffix not in FORMATS:
        raise DataError(f"the output {out} must end in {' or '.join(FORMATS)}")
    if out.exists():
        raise DataError(f"{out} exists; remove it or name another file")
    if out.suffix == ".parquet":
        from facespace.bulk.parquet import require_pyarrow

        require_pyarrow()
    journal = out.with_name(f"{out.name}.partial")
    photos = faces = failures = 0
    with writing(out):
        done = _open_journal(journal, _header(space))
    with writing(out), journal.open("a", encoding="utf-8") as file:
        for row in rows(done):
            # After a crash, an incomplete line is removed when the journal is opened again.
            file.write(json.dumps(row) + "\n")
            file.flush()
            photos, faces, failures = photos + 1, faces + len(row["faces"]), failures + ("failure" in row)
            on_photo(row)
        os.fsync(file.fileno())
    with writing(out):
        if out.suffix == ".parquet":
            from facespace.bulk.parquet import write_parquet

            write_parquet(journal, out)
            journal.unlink()
        else:
            journal.replace(out)
    return Harvest(photos, faces, failures, len(done), time.monotonic() - started)


def describe(photo: str | os.PathLike[str], finder: Finder | Space) -> tuple[Found, dict[str, Any]]:
    """Find the faces of one photo, and make the row that `harvest` writes; ImageError if it cannot be used."""
    source = Source(text_of(Path(photo).name), photo)
    if isinstance(finder, Space):
        found, points = next(embedded(finder, [finder.finder.find(photo)]))
        return found, row_of(source, found, points)
    found = finder.find(photo)
    return found, row_of(source, found, None)


@contextmanager
def writing(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn a file system error while writing an output into a DataError that names it."""
    try:
        yield
    except OSError as error:
        raise DataError(
            f"cannot write {text_of(path)}: {error.strerror or error}; check the path, its permissions and the free "
            "space, then run the same command again to continue"
        ) from None


def _header(space: Space | None) -> dict[str, Any]:
    return {"format": "facespace.faces/1", "space": space and space.id, "dimension": space and space.dimension}


def _open_journal(path: Path, header: dict[str, Any]) -> set[str]:
    """Open the journal, or begin it, and return the names of the photos in it."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(header) + "\n", "utf-8")
        return set()
    done: set[str] = set()
    whole = 0
    with path.open("rb") as file:
        for number, line in enumerate(file):
            if not line.endswith(b"\n"):
                break
            row = json.loads(line)
            if number == 0 and row != header:
                raise DataError(f"{path} was begun with another model; remove it to start over, or name another output")
            if number > 0:
                done.add(row["photo"])
            whole += len(line)
    with path.open("rb+") as file:
        file.truncate(whole)
    if whole == 0:
        path.unlink()
        return _open_journal(path, header)
    return done


def _rows(
    sources: Iterable[Source], finder: Finder | Space, workers: int | None
) -> Iterator[tuple[dict[str, Any], Found]]:
    waiting: deque[Source] = deque()

    def photos() -> Iterator[Photo]:
        for source in sources:
            waiting.append(source)
            yield source.photo

    stream: Iterator[tuple[Found, NDArray[np.float32] | None]]
    if isinstance(finder, Space):
        stream = found_stream(finder, photos(), workers)
    else:
        stream = ((found, None) for found in find_stream(finder, photos(), workers))
    for found, points in stream:
        yield row_of(waiting.popleft(), found, points), found


def row_of(source: Source, found: Found, points: NDArray[np.float32] | None) -> dict[str, Any]:
    """Make a JSON row of a photo: boxes in pixels of the photo, five landmarks as x, y pairs."""
    row: dict[str, Any] = {"photo": source.name, "width": found.width, "height": found.height, "faces": []}
    if source.seconds is not None:
        row["seconds"] = source.seconds
    if found.failure is not None:
        row["failure"] = found.failure
    for index, face in enumerate(found.faces):
        entry: dict[str, Any] = {"box": _rounded(face.box), "score": round(face.score, 4)}
        if face.landmarks is not None:
            entry["landmarks"] = [_rounded(point) for point in face.landmarks.tolist()]
        if face.quality is not None:
            entry["quality"] = {name: round(value, 4) for name, value in asdict(face.quality).items()}
        if points is not None:
            # Nine significant digits represent a float32 exactly.
            entry["embedding"] = [float(f"{value:.9g}") for value in points[index].tolist()]
        row["faces"].append(entry)
    return row


def _rounded(values: Iterable[float]) -> list[float]:
    return [round(float(value), 2) for value in values]


def _save_crops(folder: Path, row: dict[str, Any], found: Found) -> None:
    for index, (entry, face) in enumerate(zip(row["faces"], found.faces, strict=True)):
        name = f"{row['photo']}-{index}.png"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        PIL.Image.fromarray(face.pixels).save(folder / name)
        entry["crop"] = name
