"""The help: it fits 80 columns, shows the defaults of the library, and loads the command line only."""

import re
import subprocess
import sys

import pytest

from facespace.cli.main import RENAMED, command, with_new_options
from facespace.gallery import FPIR, MIN_QUALITY

# Without pydantic, which typer itself imports for the help of a command if it is installed.
HEAVY = ("numpy", "onnxruntime", "PIL", "scipy", "sklearn", "torch", "onnx", "fastapi")


def all_commands(group=None, path=("facespace",)):
    """Yield the path and the command of each command, groups included."""
    found = group or command()
    yield path, found
    for name, inner in getattr(found, "commands", {}).items():
        yield from all_commands(inner, (*path, name))


COMMANDS = {" ".join(path): found for path, found in all_commands()}


@pytest.fixture
def help_of(monkeypatch):
    """Return the help of a command in a terminal of 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")

    def show(name):
        found = COMMANDS[name]
        return found.get_help(found.make_context(name, [], resilient_parsing=True))

    return show


@pytest.mark.parametrize("name", COMMANDS)
def test_help_fits_80_columns_without_shortened_sentences(help_of, name):
    text = help_of(name)
    # Names of choices may be longer; sentences are not.
    long = [line for line in text.splitlines() if len(line) > 80 and "|" not in line]
    assert long == []
    assert [line for line in text.splitlines() if re.search(r"\w\.\.\.$", line)] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_has_a_help_text(name):
    found = COMMANDS[name]
    assert found.help
    assert [p.name for p in found.params if not getattr(p, "help", None)] == []


@pytest.mark.parametrize("words", ["--help", "train --help", "gallery --help"])
def test_help_loads_the_command_line_only(words):
    code = f"""
import sys
sys.argv[1:] = {words.split()}
from facespace.cli import main
try:
    main()
except SystemExit:
    print("loaded", *sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stdout.rpartition("loaded ")[2].split()
    assert set(loaded).isdisjoint(HEAVY)
    packages = {name.split(".")[1] for name in loaded if name.startswith("facespace.")}
    assert packages == {"cli", "deprecated", "errors", "filenames"}


def test_defaults_are_those_of_the_library():
    defaults = {p.name: p.default for name in ("enrol", "identify") for p in COMMANDS[f"facespace {name}"].params}
    assert defaults["min_quality"] == MIN_QUALITY
    assert defaults["fpir"] == FPIR


@pytest.mark.parametrize(("old", "new"), RENAMED.items())
def test_an_old_option_works_with_a_warning(capsys, old, new):
    assert any(new in p.opts for found in COMMANDS.values() for p in found.params)
    for given in ([old, "1"], [f"{old}=1"]):
        replaced = with_new_options(["x", *given, "--", old])
        assert replaced == ["x", *(word.replace(old, new) for word in given), "--", old]
        assert f"{old} is deprecated; use {new}" in capsys.readouterr().err
