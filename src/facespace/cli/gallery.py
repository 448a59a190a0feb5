"""Galleries at the command line: enrol, identify, people, remove; their upkeep is in `galleries`."""

from pathlib import Path
from typing import Annotated

import typer

from facespace.cli.app import app
from facespace.cli.options import AsJson, GalleryPath, KeyFile, ModelPath, Provider, Threads, Truncated
from facespace.cli.output import photo_name, print_json, say, table, warn
from facespace.embed import load
from facespace.gallery import FPIR, LEAST_QUALITY, Gallery, as_attributes, read_key


@app.command("enrol")
def enrol_command(
    name: Annotated[str, typer.Argument(help="The person's name.")],
    photos: Annotated[list[Path], typer.Argument(help="One or more photos of that person.")],
    gallery: GalleryPath,
    attributes: Annotated[str | None, typer.Option(help="Anything to keep with the person, as a JSON object.")] = None,
    least_quality: Annotated[
        float, typer.Option(min=0, max=1, help="Refuse faces worse than this share of ordinary photos.")
    ] = LEAST_QUALITY,
    model: ModelPath = None,
    key_file: KeyFile = None,
    provider: Provider = None,
    threads: Threads = None,
    truncated: Truncated = False,
    json: AsJson = False,
) -> None:
    """Keep a person's face in a gallery, to be recognised later."""
    space = load(model, provider=provider, threads=threads, truncated=truncated)
    with Gallery(gallery, space, read_key(key_file)) as people:
        enrolment = people.enrol(name, photos, as_attributes(attributes), least_quality)
    if json:
        print_json(enrolment)
        return
    for failure in enrolment.failures:
        warn(f"left out {photo_name(failure.photo)}: {failure.reason}")
    for folded in enrolment.folded:
        warn(f"left out {photo_name(folded.photo)}: {folded.reason}")
    for outlier in enrolment.outliers:
        warn(f"look at {photo_name(outlier.photo)}: {outlier.reason}")
    for other in enrolment.alike:
        warn(
            f"{enrolment.person} looks like {other.name}, who is enrolled already (probability "
            f"{other.probability:.0%}). If they are one person, merge them (facespace gallery merge): until then their "
            "photos may be given either name, and each name is recognised by its own photos only"
        )
    say(f"enrolled {enrolment.person} with {enrolment.faces} of {len(photos)} photos in {gallery}")


@app.command("identify")
def identify_command(
    photos: Annotated[list[Path], typer.Argument(help="Photos of whoever it is.")],
    gallery: GalleryPath,
    model: ModelPath = None,
    key_file: KeyFile = None,
    fpir: Annotated[
        float, typer.Option(help="Share of strangers' faces that may at most be taken for somebody.")
    ] = FPIR,
    top: Annotated[int, typer.Option(min=1, help="How many candidates to show for each face.")] = 3,
    provider: Provider = None,
    threads: Threads = None,
    truncated: Truncated = False,
    json: AsJson = False,
) -> None:
    """Who is this? The nearest people of a gallery, or nobody we know."""
    space = load(model, provider=provider, threads=threads, truncated=truncated)
    with Gallery(gallery, space, read_key(key_file), create=False) as people:
        found = {photo: people.identify(photo, fpir=fpir, top=top) for photo in photos}
    if json:
        print_json({"photos": [{"photo": photo, "faces": faces} for photo, faces in found.items()]})
        return
    rows = [
        [
            str(photo),
            face.person or "nobody we know",
            ", ".join(f"{c.name} ({c.adjusted_distance:.2f}, {c.probability:.0%})" for c in face.candidates),
        ]
        for photo, faces in found.items()
        for face in faces
    ]
    table("", ["photo", "who", "nearest (adjusted distance, probability)"], rows)


@app.command("people")
def people_command(
    gallery: GalleryPath, model: ModelPath = None, key_file: KeyFile = None, json: AsJson = False
) -> None:
    """List the people of a gallery."""
    with Gallery(gallery, load(model), read_key(key_file), create=False) as opened:
        people = opened.people()
    if json:
        print_json({"people": people})
        return
    table("", ["person", "faces", "since"], [[p.name, str(p.faces), str(p.created)] for p in people])


@app.command("remove")
def remove_command(
    name: Annotated[str, typer.Argument(help="The person's name.")],
    gallery: GalleryPath,
    model: ModelPath = None,
    key_file: KeyFile = None,
) -> None:
    """Delete a person and all their faces from a gallery, for good."""
    with Gallery(gallery, load(model), read_key(key_file), create=False) as people:
        removal = people.remove(name)
    say(f"removed {removal.person} with {removal.faces} faces from {gallery}")
    if not removal.overwritten:
        warn(
            f"another process is reading {gallery}: deleted bytes are left in {gallery}-wal until it has finished "
            "and the gallery is opened again"
        )
    for backup in removal.backups:
        warn(f"the backup {backup} still holds them: delete it if they must be gone everywhere")
