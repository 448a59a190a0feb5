"""The command line: the same words as the library, and no logic of its own."""

import errno
import io
import os
import sys
import warnings
from contextlib import suppress
from typing import Annotated, Any, TextIO

import typer

from facespace import __version__
from facespace.cli.output import errors, warn
from facespace.errors import FacespaceError, FacespaceWarning
from facespace.images import printable, text_of

app = typer.Typer(
    name="facespace",
    help="One space for faces: are these two the same person, who is this, who are all these people?",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

_debug = False


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"facespace {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show where in the code an error arose.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    global _debug
    _debug = debug


def command() -> Any:
    """The whole command line, as typer makes it of the functions: for documentation, and to check what it says."""
    _register()
    return typer.main.get_command(app)


def main() -> None:
    """Run a command; whatever goes wrong is one message and exit status 2, and a traceback with --debug only."""
    _register()
    warnings.showwarning = _show_warning
    for stream in (sys.stdout, sys.stderr):
        # A terminal or file of another encoding gets escapes in place of what it cannot hold.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    sys.exit(_status())


def _status() -> int:
    try:
        try:
            app()
        except SystemExit as ended:
            # Here, and not when Python ends, where nobody could be told: a full disk refuses the last bytes, too.
            sys.stdout.flush()
            return ended.code if isinstance(ended.code, int) else 0 if ended.code is None else 1
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of a pipe (head, less) has had enough.
        _let_go(sys.stdout)
    except KeyboardInterrupt:
        _tell("stopped")
        return 130
    except Exception as error:
        if _debug:
            raise
        _tell(_message(error))
        _let_go(sys.stdout)
        return 2
    return 0


def _message(error: Exception) -> str:
    """An error as what went wrong, where, and what to do."""
    if isinstance(error, FacespaceError):
        return str(error)
    if isinstance(error, OSError):
        where = text_of(os.fsdecode(error.filename)) if isinstance(error.filename, str | bytes) else "the output"
        advice = _ADVICE.get(error.errno or 0, "check the path and its permissions")
        return f"cannot read or write {where}: {error.strerror or error}; {advice}"
    if isinstance(error, MemoryError):
        return "there is not enough memory for this; give it less at once, or a machine that has more"
    if isinstance(error, UnicodeEncodeError):
        where = str(error.object)[max(0, error.start - 40) : error.end + 40]
        return f"{printable(where)!r} is not valid text (UTF-8); write it in another way"
    return f"unexpected {type(error).__name__}: {error}; a fault of facespace: report it with what --debug shows"


_ADVICE = dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "free some space and try again")


def _tell(message: str) -> None:
    # Where the standard error is closed or full, the exit status has to do.
    try:
        errors.print(
            f"facespace: {printable(message, chr(10))}", style="red", markup=False, highlight=False, soft_wrap=True
        )
    except OSError:
        _let_go(sys.stderr)


def _show_warning(message: Warning | str, category: type[Warning], *where: object, **more: object) -> None:
    if issubclass(category, FacespaceWarning):
        warn(str(message))
    else:
        _shown_otherwise(message, category, *where, **more)  # type: ignore[arg-type]


_shown_otherwise = warnings.showwarning


def _let_go(stream: TextIO) -> None:
    """Have what a stream still holds go nowhere, so that Python does not complain when it ends."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def _register() -> None:
    # Importing the commands is what registers them.
    from facespace.cli import answers, cluster, evaluate, faces, galleries, gallery, model, serve, train  # noqa: F401
