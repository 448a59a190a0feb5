"""Output for people (text and tables) and for programs (one JSON object)."""

import dataclasses
import json
import math
import os
import re
import shlex
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from facespace.deprecated import Renamed
from facespace.filenames import printable, text_of, writable

if TYPE_CHECKING:
    from facespace.images import Skipped

_CONTROL = re.compile("[\x7f-\x9f\ud800-\udfff]")

# Columns of the labels in a table of labels and values.
LABEL_WIDTH = 28

console = Console()
errors = Console(stderr=True)


def plain(message: str) -> str:
    """Return text without control characters other than line breaks."""
    return printable(message, "\n")


def warn(message: str) -> None:
    """Print a warning on standard error, so that output to a file or a pipe stays clean."""
    errors.print(plain(message), style="yellow", markup=False, highlight=False)


def warn_skipped(folder: Path, skipped: "Sequence[Skipped]") -> None:
    """Warn about files of a folder that were skipped, if any."""
    if skipped:
        from facespace.images import summary_of

        warn(f"skipped in {text_of(folder)}: {summary_of(skipped)}")


def skipped_json(skipped: "Sequence[Skipped]") -> "dict[str, Sequence[Skipped]]":
    """Return the JSON fields for the skipped files of a folder; `passed_over` is the old name of `skipped`."""
    return {"skipped": skipped, "passed_over": skipped}


def footnote(message: str) -> None:
    """Print a line of plain text below a table, wrapped between words at the width of the terminal."""
    console.print(plain(message), markup=False, highlight=False, style="dim")


def echo(message: str) -> None:
    """Print a line of plain text, without wrapping and without interpreting markup in paths or names."""
    console.print(plain(message), markup=False, highlight=False, soft_wrap=True)


def paragraph(message: str) -> None:
    """Print plain text: wrapped between words in a terminal, one line in a file or a pipe."""
    console.print(plain(message), markup=False, highlight=False, soft_wrap=not console.is_terminal)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a title, if any, and a table without lines, with a header row unless all `columns` are empty.

    Square brackets in a cell are not interpreted as markup.
    """
    if title:
        echo(title)
    shown = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", show_header=any(columns))
    for place, column in enumerate(columns):
        # Long labels leave room for what they label.
        width = None if any(columns) or place else LABEL_WIDTH
        shown.add_column(column, overflow="fold", max_width=width)
    for row in rows:
        shown.add_row(*(_plain(cell) for cell in row))
    console.print(shown)


def print_json(value: object) -> None:
    """Print one JSON object on standard output."""
    text = json.dumps(as_json(value), ensure_ascii=False, indent=2)
    # JSON allows these control characters unescaped, but a terminal would interpret them.
    sys.stdout.write(_CONTROL.sub(lambda match: f"\\u{ord(match[0]):04x}", text) + "\n")


def as_json(value: object) -> Any:
    """Convert records, arrays and paths to JSON types.

    A number that is not finite becomes null; bytes of a path that are not UTF-8 become escapes (`text_of`). Renamed
    fields of records are also written under their old names.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: as_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return fields | {
            old: fields[alias.new] for old, alias in vars(type(value)).items() if isinstance(alias, Renamed)
        }
    if isinstance(value, dict):
        return {str(as_json(key)): as_json(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, os.PathLike):
        return text_of(value)
    if isinstance(value, str | int | float | bool | None):
        return value
    # By their methods, so that commands without models or arrays import neither pydantic nor numpy.
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json", exclude_none=True)
    return as_json(value.tolist()) if hasattr(value, "tolist") else str(value)


def command_line(command: str, *words: str) -> str:
    """Return a command that can be pasted into a shell, with names and paths quoted where needed."""
    return " ".join([command, *(word if word.startswith("-") else _quoted(word) for word in words)])


def _quoted(word: str) -> str:
    """Quote a word for a shell. One that is not UTF-8 becomes $'...', which Bash, Zsh and POSIX 2024 read as bytes."""
    if writable(word) == word:
        return shlex.quote(word)
    return "$'" + writable(word.replace("\\", r"\\").replace("'", r"\'")) + "'"


def short_time(time: str) -> str:
    """Return an ISO 8601 time in UTC to the second, for a table."""
    return time[:19].replace("T", " ")


def photo_name(photo: object) -> str:
    """Return the name of a photo for messages and tables."""
    return text_of(photo) if isinstance(photo, str | Path) else "(image in memory)"


def _plain(cell: str) -> str:
    return printable(cell).replace("[", r"\[")
