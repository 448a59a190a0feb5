"""What a person reads (tables), and what a machine reads (one JSON object)."""

import dataclasses
import json
import math
import os
import re
import shlex
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel
from rich.console import Console
from rich.table import Table

from facespace.images import PassedOver, printable, summary_of, text_of, writable

_OBEYED = re.compile("[\x7f-\x9f\ud800-\udfff]")

console = Console()
errors = Console(stderr=True)


def warn(message: str) -> None:
    """Tell the person at the terminal, without disturbing what goes to a file or a pipe."""
    errors.print(printable(message, "\n"), style="yellow", markup=False, highlight=False)


def warn_passed_over(folder: Path, passed: Sequence[PassedOver]) -> None:
    """Say what of a folder was not taken, if anything."""
    if passed:
        warn(f"in {text_of(folder)} passed over {summary_of(passed)}")


def say(message: str) -> None:
    """A line of plain text: nothing in a path or a name is taken for markup or wrapped."""
    console.print(printable(message, "\n"), markup=False, highlight=False, soft_wrap=True)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table; a name in square brackets stays a name."""
    shown = Table(title=printable(title) or None, title_justify="left")
    for column in columns:
        shown.add_column(column, overflow="fold")
    for row in rows:
        shown.add_row(*(_plain(cell) for cell in row))
    console.print(shown)


def print_json(value: object) -> None:
    """One JSON object on standard output."""
    text = json.dumps(as_json(value), ensure_ascii=False, indent=2)
    # What JSON allows as it is and a terminal obeys.
    sys.stdout.write(_OBEYED.sub(lambda match: f"\\u{ord(match[0]):04x}", text) + "\n")


def as_json(value: object) -> Any:
    """Records, arrays and paths as what JSON knows; a number that is not finite becomes null, bytes of a path that
    are not UTF-8 become escapes (`text_of`)."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_none=True)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: as_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(as_json(key)): as_json(entry) for key, entry in value.items()}
    if isinstance(value, np.ndarray):
        return as_json(value.tolist())
    if isinstance(value, np.generic):
        return as_json(value.item())
    if isinstance(value, list | tuple):
        return [as_json(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, os.PathLike):
        return text_of(value)
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def command_line(command: str, *words: str) -> str:
    """A command to copy into a shell: names and paths are quoted where they must be."""
    return " ".join([command, *(word if word.startswith("-") else _quoted(word) for word in words)])


def _quoted(word: str) -> str:
    """A word for a shell; one that is not UTF-8 as $'...', which Bash, Zsh and POSIX 2024 read as bytes."""
    if writable(word) == word:
        return shlex.quote(word)
    return "$'" + writable(word.replace("\\", r"\\").replace("'", r"\'")) + "'"


def photo_name(photo: object) -> str:
    """How to call a photo in a table."""
    return text_of(photo) if isinstance(photo, str | Path) else "(given)"


def _plain(cell: str) -> str:
    return printable(cell).replace("[", r"\[")
