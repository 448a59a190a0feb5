"""CSV files that people write by hand: columns by name, and where each row stands, for messages."""

import csv
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from facespace.errors import DataError


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
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            columns = tuple(reader.fieldnames or ())
            absent = [name for name in needed if name not in columns]
            if absent:
                raise DataError(
                    f"{path} has no column {', '.join(absent)}; it needs {', '.join(needed)}, named in its first line"
                )
            rows = []
            for values in reader:
                where = f"{path}, line {reader.line_num}"
                if None in values or None in values.values():
                    raise DataError(f"{where}: it must have {len(columns)} values, one a column")
                empty = [name for name in needed if not values[name]]
                if empty:
                    raise DataError(f"{where}: there is no value for {', '.join(empty)}")
                rows.append(Row(values, where))
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}; check the path") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is not a CSV file: {error}") from None
    if not rows:
        raise DataError(f"{path} has no rows")
    return Table(columns, tuple(rows))
