"""The command `verify`, which needs a model and no gallery."""

from pathlib import Path
from typing import Annotated

import typer

from facespace.cli.app import app
from facespace.cli.options import AsJson, Far, ModelPath, Provider, Threads, Truncated
from facespace.cli.output import echo, paragraph, print_json, table, warn

FaceNumber = Annotated[
    int | None,
    typer.Option(
        min=1, help="Number of the face to compare, as `facespace faces --draw` numbers them. Default: the largest."
    ),
]

# The exit status of --exit-code; 2 means an error.
EXIT_STATUS = {"same": 0, "different": 1, "unclear": 3}


@app.command("verify")
def verify_command(
    a: Annotated[Path, typer.Argument(help="The first photo.")],
    b: Annotated[Path, typer.Argument(help="The second photo.")],
    face_a: FaceNumber = None,
    face_b: FaceNumber = None,
    model: ModelPath = None,
    far: Far = None,
    provider: Provider = None,
    threads: Threads = None,
    truncated: Truncated = False,
    exit_code: Annotated[
        bool,
        typer.Option(
            "--exit-code", help="Exit with 0 for the same person, 1 for different people, 3 for too close to call."
        ),
    ] = False,
    json: AsJson = False,
) -> None:
    """Check whether two photos show the same person."""
    from facespace.space import load

    answer = load(model, provider=provider, threads=threads, truncated=truncated).verify(a, b, far, face_a, face_b)
    if json:
        print_json(answer)
    else:
        echo(answer.headline)
        paragraph(answer.explanation)
        for side, face, option in ((answer.a, face_a, "--face-a"), (answer.b, face_b, "--face-b")):
            if side is not None and side.note is not None:
                warn(side.note if face else f"{side.note}: {option} NUMBER")
        table(
            "",
            ["probability", "squared distance", "threshold", "at FAR"],
            [[f"{answer.probability:.3f}", f"{answer.distance:.3f}", f"{answer.threshold:.3f}", f"{answer.far:g}"]],
        )
    if exit_code:
        raise typer.Exit(EXIT_STATUS[answer.verdict])
