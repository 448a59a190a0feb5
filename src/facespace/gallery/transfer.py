"""Export a gallery to a readable file and import it: JSON Lines, or Parquet (extra `table`).

Each person, with all their faces, is one line or row. The exported file is not encrypted, even if the gallery is.
"""

import base64
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import numpy as np

from facespace.errors import GalleryError
from facespace.files import replacing
from facespace.gallery.records import NewFace
from facespace.gallery.store import Store
from facespace.metric import as_point

FORMAT = 1

# People exported or imported per batch; an interrupted import has complete people and can be repeated.
_BATCH = 200


@dataclass(frozen=True)
class Imported:
    """Result of an import: people and faces added, and faces skipped because the gallery had them."""

    people: int
    faces: int
    known: int


def export_gallery(store: Store, path: str | os.PathLike[str]) -> int:
    """Export everybody to `path`, whose suffix must be .jsonl or .parquet; the file appears when it is complete.

    Returns
    -------
    int
        Number of people written.
    """
    path = Path(path)
    header = {"facespace gallery": FORMAT, "space": store.space_id, "dimension": store.dimension}
    write = _write_parquet if _is_parquet(path) else _write_lines
    try:
        # The file holds biometric data: those who may read the folder may not be allowed to read the gallery.
        with replacing(path, private=True) as partial:
            return write(partial, header, _entries(store))
    except OSError as error:
        raise GalleryError(f"cannot export to {path}: {error.strerror}; check the path and the free space") from None


def import_gallery(store: Store, path: str | os.PathLike[str]) -> Imported:
    """Import everybody from a file that `export_gallery` wrote. People whose names are known get the new faces.

    Raises
    ------
    GalleryError
        The file is not an export, is of another space, or is damaged; the message names the line. People before it were
        added.
    """
    path = Path(path)
    people = faces = known = 0
    entries = (_read_parquet if _is_parquet(path) else _read_lines)(path, store)
    while batch := list(islice(entries, _BATCH)):
        fresh = []
        for entry in batch:
            new = _faces_of(entry, store, path)
            there = {person.id for person in store.people_named(entry["name"])}
            kept = {face.embedding.tobytes() for person in there for face in store.faces(person)}
            added = [face for face in new if face.embedding.tobytes() not in kept]
            known += len(new) - len(added)
            if added or not there:
                fresh.append((entry["name"], added, entry["attributes"]))
                people, faces = people + (not there), faces + len(added)
        store.add_all(fresh)
    return Imported(people, faces, known)


def _entries(store: Store) -> Iterator[dict[str, Any]]:
    ids = sorted(person.id for person in store.people())
    for start in range(0, len(ids), _BATCH):
        part = ids[start : start + _BATCH]
        people = store.by_ids(part)
        faces = {person: list(own) for person, own in groupby(store.faces_of(part), key=lambda face: face.person_id)}
        for number in part:
            if number in people:
                yield {
                    "name": people[number].name,
                    "created": people[number].created,
                    "attributes": dict(people[number].attributes),
                    "faces": [
                        {
                            "photo": face.photo,
                            "box": list(face.box),
                            "quality": face.quality,
                            "embedding": base64.b64encode(face.embedding.astype(np.float16).tobytes()).decode(),
                        }
                        for face in faces.get(number, [])
                    ],
                }


def _faces_of(entry: dict[str, Any], store: Store, path: Path) -> list[NewFace]:
    try:
        found = []
        for face in entry["faces"]:
            point = np.frombuffer(base64.b64decode(face["embedding"], validate=True), np.float16).astype(np.float32)
            as_point(point, store.dimension)
            left, top, right, bottom = map(float, face["box"])
            found.append(NewFace(str(face["photo"]), (left, top, right, bottom), point, face["quality"]))
        if not isinstance(entry["name"], str) or not isinstance(entry["attributes"], dict):
            raise TypeError("name must be text and attributes an object")
    except (KeyError, TypeError, ValueError) as error:
        raise GalleryError(f"{path} is damaged at {str(entry)[:60]}: {error!r}; export it again") from None
    return found


def _write_lines(path: Path, header: dict[str, Any], entries: Iterable[dict[str, Any]]) -> int:
    count = 0
    with path.open("w", encoding="utf-8") as file:
        file.write(json.dumps(header) + "\n")
        for entry in entries:
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")
            count += 1
    return count


def _read_lines(path: Path, store: Store) -> Iterator[dict[str, Any]]:
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, start=1):
                try:
                    entry = json.loads(line)
                    if not isinstance(entry, dict):
                        raise ValueError("not an object")
                except ValueError as error:
                    raise GalleryError(f"{path}, line {number}, is not JSON: {error}; export it again") from None
                if number == 1:
                    _check_header(entry, store, path)
                else:
                    yield entry
    except (OSError, UnicodeDecodeError) as error:
        raise GalleryError(f"cannot import {path}: {error}; check the path") from None


def _write_parquet(path: Path, header: dict[str, Any], entries: Iterable[dict[str, Any]]) -> int:
    pa, pq = _pyarrow()
    face = pa.struct(
        [
            ("photo", pa.string()),
            ("box", pa.list_(pa.float64())),
            ("quality", pa.float64()),
            ("embedding", pa.string()),
        ]
    )
    fields = [("name", pa.string()), ("created", pa.string()), ("attributes", pa.string()), ("faces", pa.list_(face))]
    schema = pa.schema(fields, metadata={"facespace": json.dumps(header)})
    count, waiting = 0, iter(entries)
    with pq.ParquetWriter(path, schema) as writer:
        while batch := list(islice(waiting, 4 * _BATCH)):
            rows = [{**entry, "attributes": json.dumps(entry["attributes"])} for entry in batch]
            writer.write_table(pa.Table.from_pylist(rows, schema))
            count += len(rows)
    return count


def _read_parquet(path: Path, store: Store) -> Iterator[dict[str, Any]]:
    pa, pq = _pyarrow()
    try:
        with pq.ParquetFile(path) as file:
            _check_header(json.loads((file.schema_arrow.metadata or {}).get(b"facespace", b"{}")), store, path)
            for batch in file.iter_batches(_BATCH):
                for row in batch.to_pylist():
                    yield {**row, "attributes": json.loads(row["attributes"])}
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise GalleryError(f"cannot import {path}: {error}; check the path, or export it again") from None


def _check_header(header: dict[str, Any], store: Store, path: Path) -> None:
    if header.get("facespace gallery") != FORMAT:
        raise GalleryError(f"{path} is not an exported gallery, or comes from a newer facespace")
    if header.get("space") != store.space_id:
        raise GalleryError(
            f"{path} holds embeddings of the space {str(header.get('space'))[:16]}, but this gallery's space is "
            f"{store.space_id[:16]}; distances between the two mean nothing. Enrol the photos instead"
        )


def _is_parquet(path: Path) -> bool:
    if path.suffix not in (".jsonl", ".parquet"):
        raise GalleryError(f"{path} must end in .jsonl or .parquet, which selects the format")
    return path.suffix == ".parquet"


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise GalleryError("Parquet needs the package pyarrow: pip install 'facespace[table]'; or use .jsonl") from None
    return pa, pq
