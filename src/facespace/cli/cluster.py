"""Who are all these people?"""

from pathlib import Path
from typing import Annotated

import typer

from facespace.cli.app import app
from facespace.cli.options import AsJson, ModelPath, Provider, Threads
from facespace.cli.output import photo_name, print_json, table, warn
from facespace.cluster import cluster
from facespace.embed import load


@app.command("cluster")
def cluster_command(
    folder: Annotated[Path, typer.Argument(help="A folder of photos.")],
    model: ModelPath = None,
    threshold: Annotated[
        float | None, typer.Option(help="Squared distance to cut at; the model card's where not given.")
    ] = None,
    provider: Provider = None,
    threads: Threads = None,
    json: AsJson = False,
) -> None:
    """Who are all these people? Groups the faces of a folder by person."""
    clusters = cluster(load(model, provider=provider, threads=threads), folder, threshold)
    if json:
        print_json(clusters)
        return
    for failure in clusters.failures:
        warn(f"left out {photo_name(failure.photo)}: {failure.reason}")
    table(
        f"{len(clusters.groups)} people",
        ["person", "faces", "photos"],
        [
            [str(number), str(len(group)), ", ".join(photo_name(member.photo) for member in group)]
            for number, group in enumerate(clusters.groups, start=1)
        ],
    )
