"""Convert a journal of faces to a Parquet table, one row per face. Needs the extra `table` (pyarrow)."""

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from facespace.errors import FacespaceError

ROWS = 4096
MEASURES = ("value", "eye_distance", "sharpness", "brightness", "contrast", "yaw", "pitch", "roll", "occlusion")


def require_pyarrow() -> None:
    """Raise FacespaceError if the extra is not installed, before hours of work rather than after."""
    try:
        import pyarrow.parquet  # noqa: F401
    except ModuleNotFoundError:
        raise FacespaceError(
            "writing Parquet needs the package pyarrow: pip install 'facespace[table]'; or write .jsonl"
        ) from None


def write_parquet(journal: Path, out: Path) -> None:
    """Convert a journal to Parquet, a few thousand rows at a time; the table appears when it is complete."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with journal.open(encoding="utf-8") as file:
        header = json.loads(file.readline())
        schema = pa.schema(
            [
                ("photo", pa.string()),
                ("seconds", pa.float64()),
                ("width", pa.int32()),
                ("height", pa.int32()),
                ("failure", pa.string()),
                ("face", pa.int32()),
                ("box", pa.list_(pa.float32(), 4)),
                ("landmarks", pa.list_(pa.float32(), 10)),
                ("score", pa.float32()),
                *((_column(name), pa.float32()) for name in MEASURES),
                ("crop", pa.string()),
                *([("embedding", pa.list_(pa.float32(), header["dimension"]))] if header["dimension"] else []),
            ],
            metadata={name: json.dumps(value) for name, value in header.items()},
        )
        partial = out.with_name(f".{out.name}.writing")
        with pq.ParquetWriter(partial, schema, compression="zstd") as writer:
            rows = (row for line in file for row in _table_rows(json.loads(line)))
            while some := list(islice(rows, ROWS)):
                writer.write_table(pa.Table.from_pylist(some, schema=schema))
    partial.replace(out)


def _utf8(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _column(measure: str) -> str:
    return "quality" if measure == "value" else measure


def _table_rows(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    common = {key: row.get(key) for key in ("photo", "seconds", "width", "height", "failure")}
    # Parquet's strings are UTF-8, but the name of a source may not be, and a message may quote it.
    common |= {key: _utf8(row[key]) for key in ("photo", "failure") if row.get(key) is not None}
    for number, face in enumerate(row["faces"]):
        quality = face.get("quality", {})
        yield {
            **common,
            "face": number,
            "box": face["box"],
            "landmarks": [value for point in face["landmarks"] for value in point] if "landmarks" in face else None,
            "score": face["score"],
            **{_column(name): quality.get(name) for name in MEASURES},
            "crop": face.get("crop"),
            "embedding": face.get("embedding"),
        }
    if not row["faces"]:
        yield common
