"""CSV files that people write by hand: columns by name, and where each row stands, for messages."""

import csv
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from facespace.errors import DataError
from facespace.textfile import read_text, slashed

# What programs put between values; a spreadsheet takes the semicolon where the comma is in its numbers.
SEPARATORS = ",;\t|"

# Columns that hold names of photos; their backslashes are slashes.
PHOTO_COLUMNS = frozenset({"photo", "path", "a", "b"})


@dataclass(frozen=True)
class Row:
    """A row: its values by column, and where it stands."""

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
    """Read a CSV file whose first line names the columns.

    UTF-8 or UTF-16; values between commas, semicolons, tabs or bars, whichever the first line has; spaces around a
    value and empty lines do not count.

    Parameters
    ----------
    path : path
    needed : columns that must be there

    Raises
    ------
    DataError
        The file cannot be read, a needed column or a value is missing, or there are no rows.
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
    """That which makes most columns of the first line; a comma where none does."""
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
            raise DataError(f"{where}: it must have {len(columns)} values, one a column, and has {len(values)}")
        for at in photos:
            stripped[at] = slashed(stripped[at])
        row = dict(zip(columns, stripped, strict=True))
        empty = [name for name in needed if not row[name]]
        if empty:
            raise DataError(f"{where}: there is no value for {', '.join(empty)}")
        rows.append(Row(row, where))
    if not rows:
        raise DataError(f"{path} has no rows")
    return Table(columns, tuple(rows))
