"""Answers that need no gallery: verify, cluster."""

from pathlib import Path
from typing import Annotated

import typer

from facespace.cli.app import app
from facespace.cli.options import AsJson, Far, ModelPath, Provider, Threads
from facespace.cli.output import photo_name, print_json, say, table, warn
from facespace.cluster import cluster
from facespace.embed import load


@app.command("verify")
def verify_command(
    a: Annotated[Path, typer.Argument(help="A photo.")],
    b: Annotated[Path, typer.Argument(help="Another photo.")],
    model: ModelPath = None,
    far: Far = None,
    provider: Provider = None,
    threads: Threads = None,
    json: AsJson = False,
) -> None:
    """Are these two the same person?"""
    answer = load(model, provider=provider, threads=threads).verify(a, b, far)
    if json:
        print_json(answer)
        return
    say("same person" if answer.same else "different people")
    table(
        "",
        ["probability", "squared distance", "threshold", "at FAR"],
        [[f"{answer.probability:.3f}", f"{answer.distance:.3f}", f"{answer.threshold:.3f}", f"{answer.far:g}"]],
    )


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
