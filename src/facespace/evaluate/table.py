"""Read hand-written CSV files: columns by name, and the position of each row for error messages."""

import csv
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from facespace.errors import DataError
from facespace.textfile import read_text, slashed

# Common separators; spreadsheets use semicolons in countries with decimal commas.
SEPARATORS = ",;\t|"

# Columns with names of photos, in which backslashes are read as slashes.
PHOTO_COLUMNS = frozenset({"photo", "path", "a", "b"})


@dataclass(frozen=True)
class Row:
    """A row: its values by column, and its position (file and line)."""

    values: dict[str, str]
    where: str

    def __getitem__(self, column: str) -> str:
        return self.values[column]


@dataclass(frozen=True)
class Table:
    """Columns and rows of a file."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def read_table(path: str | os.PathLike[str], needed: Sequence[str]) -> Table:
    """Read a CSV file with a header line.

    The encoding is UTF-8 or UTF-16. The separator (comma, semicolon, tab or bar) is detected from the first line.
    Spaces around values and empty lines are ignored.

    Parameters
    ----------
    path : path
    needed : sequence of str
        Required columns.

    Raises
    ------
    DataError
        The file cannot be read, a required column or value is missing, or there are no rows.
    """
    try:
        lines = read_text(path).splitlines(keepends=True)
        given = re.fullmatch(r"\s*sep=(.)\s*", lines[0], re.IGNORECASE) if lines else None
        skipped = 1 if given else 0
        separator = given[1] if given else _separator(lines[:1])
        return _table(csv.reader(lines[skipped:], delimiter=separator, skipinitialspace=True), needed, path, skipped)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}; check the path") from None
    except UnicodeError:
        raise DataError(f"{path} is not a CSV file in UTF-8 or UTF-16; save it as 'CSV UTF-8'") from None
    except (csv.Error, TypeError) as error:
        raise DataError(f"{path} is not a CSV file: {error}") from None


def _separator(head: list[str]) -> str:
    """Return the separator that gives the most columns in the first line; a comma by default."""
    return max(SEPARATORS, key=lambda mark: max((len(row) for row in csv.reader(head, delimiter=mark)), default=0))


def _table(reader: Iterator[list[str]], needed: Sequence[str], path: str | os.PathLike[str], skipped: int) -> Table:
    columns = tuple(name.strip() for name in next(reader, []))
    absent = [name for name in needed if name not in columns]
    if absent:
        has = f"it has {', '.join(map(repr, columns))}" if any(columns) else "it is empty"
        raise DataError(
            f"{path} has no column {', '.join(absent)}; it needs {', '.join(needed)}, named in its first line ({has})"
        )
    rows = []
    photos = [at for at, name in enumerate(columns) if name in PHOTO_COLUMNS]
    for values in reader:
        where = f"{path}, line {reader.line_num + skipped}"  # type: ignore[attr-defined]
        stripped = [value.strip() for value in values]
        if not any(stripped):
            continue
        if len(values) != len(columns):
            raise DataError(f"{where}: expected {len(columns)} values, one per column, but found {len(values)}")
        for at in photos:
            stripped[at] = slashed(stripped[at])
        row = dict(zip(columns, stripped, strict=True))
        empty = [name for name in needed if not row[name]]
        if empty:
            raise DataError(f"{where}: the value for {', '.join(empty)} is missing")
        rows.append(Row(row, where))
    if not rows:
        raise DataError(f"{path} has no rows")
    return Table(columns, tuple(rows))
