"""Pages that mkdocs generates: the reference of the command line, and the list of decisions."""

import re
from pathlib import Path
from typing import Any

import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from typer.cli import get_docs_for_click

from facespace.cli.main import command

DOCS = Path(__file__).parents[1]


def on_files(files: Files, config: MkDocsConfig, **_: Any) -> Files:
    """Add the generated pages."""
    files.append(File.generated(config, "reference/cli.md", content=command_line()))
    files.append(File.generated(config, "decisions/index.md", content=decisions()))
    return files


def command_line() -> str:
    """Every command with its arguments and options, as in `--help`."""
    group = command()
    text = get_docs_for_click(obj=group, ctx=typer.Context(group, info_name="facespace"), name="facespace")
    # Commands are headings of one page, and a bare <word> would be taken for HTML.
    return text.replace("# `facespace`\n", "# Command line\n", 1)


def decisions() -> str:
    """A list of docs/decisions, by their titles."""
    lines = ["# Decisions", "", "Each page states a question, what was measured, and the choice.", ""]
    for path in sorted((DOCS / "decisions").glob("[0-9]*.md")):
        title = re.sub(r"^#\s*", "", path.read_text("utf-8").splitlines()[0])
        lines.append(f"- [{title}]({path.name})")
    return "\n".join(lines) + "\n"
