"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

ModelPath = Annotated[
    Path | None,
    typer.Option("--model", "-m", envvar="FACESPACE_MODEL", help="The model file."),
]
ModelArgument = Annotated[Path, typer.Argument(help="The model file.")]
GalleryPath = Annotated[
    str,
    typer.Option(
        "--gallery", "-g", envvar="FACESPACE_GALLERY", help="The gallery: one SQLite file, or postgresql://..."
    ),
]
KeyFile = Annotated[
    Path | None,
    typer.Option("--key-file", help="The key of an encrypted gallery; FACESPACE_GALLERY_KEY where not given."),
]
Far = Annotated[
    float | None,
    typer.Option(help="False accept rate to decide at, one of the model card's; its default where not given."),
]
Provider = Annotated[
    str | None,
    typer.Option(help="Where to run: cpu, cuda, coreml or openvino; the best present where not given."),
]
Threads = Annotated[int | None, typer.Option(min=1, help="Threads of the network; one a core where not given.")]
Truncated = Annotated[bool, typer.Option("--truncated", help="Take what is there of JPEG files that end too early.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object, for machines.")]
