"""The command line: the same words as the library, and no logic of its own."""

import sys
from typing import Annotated, Any

import typer

from facespace import __version__
from facespace.cli.output import errors
from facespace.errors import FacespaceError

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
    """Run a command; an error a user can do something about is one message and exit status 2."""
    _register()
    try:
        app()
    except FacespaceError as error:
        if _debug:
            raise
        errors.print(f"facespace: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(2)
    except KeyboardInterrupt:
        errors.print("facespace: stopped", style="red")
        sys.exit(130)
    except BrokenPipeError:
        # The reader of a pipe (head, less) has had enough.
        sys.exit(0)


def _register() -> None:
    # Importing the commands is what registers them.
    from facespace.cli import answers, cluster, evaluate, faces, galleries, gallery, model, serve, train  # noqa: F401
