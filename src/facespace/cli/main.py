"""The entry point of the command line: it registers all commands and reports errors."""

import errno
import io
import os
import sys
import warnings
from contextlib import suppress
from typing import Any, TextIO

import typer

from facespace.cli import cluster, evaluate, faces, galleries, gallery, model, serve, train, verify  # noqa: F401
from facespace.cli.app import app, debugging
from facespace.cli.output import errors, plain, warn
from facespace.errors import FacespaceError, FacespaceWarning
from facespace.filenames import text_of


def command() -> Any:
    """Return the complete command line as one Click command, for the documentation and for tests."""
    return typer.main.get_command(app)


def main() -> None:
    """Run a command. An error prints one message and exits with status 2; --debug shows its traceback."""
    warnings.showwarning = _show_warning
    for stream in (sys.stdout, sys.stderr):
        # Characters that the encoding of a terminal or a file cannot represent are written as escapes.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    sys.exit(_status())


# Renamed options. The old names work, with a warning, until the next minor version.
RENAMED = {
    "--at-least": "--min-faces",
    "--least-quality": "--min-quality",
    "--longest": "--max-side",
    "--most": "--limit",
    "--seconds": "--timeout",
    "--waiting": "--queue-length",
}


def with_new_options(words: list[str]) -> list[str]:
    """Replace the old names of options, with a warning."""
    replaced = list(words)
    for place, word in enumerate(words):
        if word == "--":
            break
        option, equals, value = word.partition("=")
        if option in RENAMED:
            warn(f"{option} is deprecated; use {RENAMED[option]}")
            replaced[place] = f"{RENAMED[option]}{equals}{value}"
    return replaced


def _status() -> int:
    try:
        try:
            app(with_new_options(sys.argv[1:]))
        except SystemExit as ended:
            # Flush now: once Python shuts down, an error such as a full disk can no longer be reported.
            sys.stdout.flush()
            return ended.code if isinstance(ended.code, int) else 0 if ended.code is None else 1
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of the pipe (head, less) has closed it.
        _discard(sys.stdout)
    except KeyboardInterrupt:
        _report("interrupted")
        return 130
    except Exception as error:
        if debugging():
            raise
        _report(_message(error))
        _discard(sys.stdout)
        return 2
    return 0


def _message(error: Exception) -> str:
    """Describe an error: what went wrong, where, and what to do."""
    if isinstance(error, FacespaceError):
        return str(error)
    if isinstance(error, OSError):
        where = text_of(os.fsdecode(error.filename)) if isinstance(error.filename, str | bytes) else "the output"
        advice = _ADVICE.get(error.errno or 0, "check the path and its permissions")
        return f"cannot read or write {where}: {error.strerror or error}; {advice}"
    if isinstance(error, MemoryError):
        return "out of memory; process fewer or smaller photos at a time, or use a machine with more memory"
    if isinstance(error, UnicodeEncodeError):
        where = str(error.object)[max(0, error.start - 40) : error.end + 40]
        return f"{plain(where)!r} is not valid UTF-8; rename it, or write it differently"
    return f"unexpected {type(error).__name__}: {error}; this is a bug, please report it with the traceback of --debug"


_ADVICE = dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "free some space and try again")


def _report(message: str) -> None:
    # If standard error is closed or full, the exit status is all that is left.
    try:
        errors.print(f"facespace: {plain(message)}", style="red", markup=False, highlight=False, soft_wrap=True)
    except OSError:
        _discard(sys.stderr)


def _show_warning(message: Warning | str, category: type[Warning], *where: object, **more: object) -> None:
    if issubclass(category, FacespaceWarning):
        warn(str(message))
    else:
        _default_showwarning(message, category, *where, **more)  # type: ignore[arg-type]


_default_showwarning = warnings.showwarning


def _discard(stream: TextIO) -> None:
    """Discard the buffered output of a stream, so that Python does not fail to flush it at exit."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
