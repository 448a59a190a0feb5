"""The application that commands register with, and its global options."""

from typing import Annotated

import typer

from facespace import __version__

app = typer.Typer(
    name="facespace",
    help="Verify, identify and cluster faces with one embedding space.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

_debug = False


def debugging() -> bool:
    """Return whether errors are shown with their traceback."""
    return _debug


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"facespace {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    global _debug
    _debug = debug
