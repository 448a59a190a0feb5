"""Options shared by several commands."""

from pathlib import Path
from typing import Annotated

import typer

ModelPath = Annotated[
    Path | None,
    typer.Option(
        "--model",
        "-m",
        envvar="FACESPACE_MODEL",
        help="The model file. Default: the model that ships with the package.",
    ),
]
EmbeddingModel = Annotated[
    Path | None,
    typer.Option("--model", "-m", envvar="FACESPACE_MODEL", help="The model file for embeddings. Default: none."),
]
GalleryPath = Annotated[
    str,
    typer.Option(
        "--gallery", "-g", envvar="FACESPACE_GALLERY", help="The gallery: an SQLite file, or postgresql://..."
    ),
]
KeyFile = Annotated[
    Path | None,
    typer.Option(
        "--key-file", help="File with the key of an encrypted gallery. Default: the key in FACESPACE_GALLERY_KEY."
    ),
]
Far = Annotated[
    float | None,
    typer.Option(
        help="False accept rate (FAR) to decide at: one that the model card lists. Default: the card's default."
    ),
]
Provider = Annotated[
    str | None,
    typer.Option(help="Where to run the model: cpu, cuda, coreml or openvino. Default: the best available."),
]
Threads = Annotated[int | None, typer.Option(min=1, help="Threads that run the model. Default: one per core.")]
Truncated = Annotated[
    bool, typer.Option("--truncated", help="Accept truncated JPEG files and use what can be decoded.")
]
Explain = Annotated[bool, typer.Option("--explain", help="Explain each figure.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
