"""The answer that needs a model alone: verify."""

from pathlib import Path
from typing import Annotated

import typer

from facespace.cli.app import app
from facespace.cli.options import AsJson, Far, ModelPath, Provider, Threads, Truncated
from facespace.cli.output import print_json, say, table
from facespace.embed import load


@app.command("verify")
def verify_command(
    a: Annotated[Path, typer.Argument(help="A photo.")],
    b: Annotated[Path, typer.Argument(help="Another photo.")],
    model: ModelPath = None,
    far: Far = None,
    provider: Provider = None,
    threads: Threads = None,
    truncated: Truncated = False,
    json: AsJson = False,
) -> None:
    """Are these two the same person?"""
    answer = load(model, provider=provider, threads=threads, truncated=truncated).verify(a, b, far)
    if json:
        print_json(answer)
        return
    say("same person" if answer.same else "different people")
    table(
        "",
        ["probability", "squared distance", "threshold", "at FAR"],
        [[f"{answer.probability:.3f}", f"{answer.distance:.3f}", f"{answer.threshold:.3f}", f"{answer.far:g}"]],
    )
