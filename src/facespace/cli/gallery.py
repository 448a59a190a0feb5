"""Galleries at the command line: enrol, identify, people, remove; their upkeep is in `galleries`."""

from pathlib import Path
from typing import Annotated

import typer

from facespace.cli import asks
from facespace.cli.app import app
from facespace.cli.options import AsJson, GalleryPath, KeyFile, ModelPath, Provider, Threads, Truncated
from facespace.cli.output import as_json, command_line, photo_name, print_json, say, table, warn, warn_passed_over
from facespace.cli.progress import photo_progress
from facespace.errors import FacespaceError, GalleryError, ImageError
from facespace.gallery import (
    FPIR,
    LEAST_QUALITY,
    ChooseFace,
    EnrolledPerson,
    Enrolment,
    Gallery,
    Identification,
    NotEnrolledError,
    as_attributes,
    enrol_people,
    largest_face,
    last_entry,
    read_key,
)
from facespace.images import PassedOver, people_in, text_of
from facespace.space import load


@app.command("enrol")
def enrol_command(
    gallery: GalleryPath,
    name: Annotated[str | None, typer.Argument(help="The person's name; not with --people.")] = None,
    photos: Annotated[list[Path] | None, typer.Argument(help="One or more photos of that person.")] = None,
    people: Annotated[
        Path | None, typer.Option(help="A folder with a subfolder of photos for each person, named like the person.")
    ] = None,
    attributes: Annotated[str | None, typer.Option(help="Anything to keep with the person, as a JSON object.")] = None,
    least_quality: Annotated[
        float, typer.Option(min=0, max=1, help="Refuse faces worse than this share of ordinary photos.")
    ] = LEAST_QUALITY,
    keep: Annotated[bool, typer.Option("--keep", help="Keep a small picture of each face in the gallery.")] = False,
    largest: Annotated[
        bool, typer.Option("--largest", help="Of a photo with several faces, enrol the largest.")
    ] = False,
    face: Annotated[
        int | None, typer.Option(min=1, help="Of a photo with several faces, enrol the one with this number.")
    ] = None,
    accept_doubtful: Annotated[
        bool, typer.Option("--accept-doubtful", help="Enrol photos too that look like somebody else.")
    ] = False,
    model: ModelPath = None,
    key_file: KeyFile = None,
    provider: Provider = None,
    threads: Threads = None,
    truncated: Truncated = False,
    json: AsJson = False,
) -> None:
    """Keep a person's face in a gallery, to be recognised later; or, with --people, everybody in a folder.

    At a terminal, photos with several faces and photos that look like somebody else are asked about.
    """
    if (people is None) == (name is None) or (people is None and not photos):
        raise FacespaceError("give a name and photos (enrol NAME PHOTO...), or a folder of people (enrol --people DIR)")
    if largest and face is not None:
        raise FacespaceError("--largest and --face choose different faces: give one of them")
    if people is not None and (attributes is not None or face is not None):
        raise FacespaceError("--attributes and --face belong to one person, not to --people")
    space, secret = load(model, provider=provider, threads=threads, truncated=truncated), read_key(key_file)
    choose = largest_face if largest else face
    with Gallery(gallery, space, secret) as opened:
        if people is not None:
            _enrol_folder(opened, gallery, people, least_quality, keep, choose, accept_doubtful, json)
            return
        assert name is not None and photos is not None  # noqa: PT018
        asking = asks.possible() and not json
        try:
            enrolment = opened.enrol(
                name,
                photos,
                as_attributes(attributes),
                least_quality,
                keep,
                choose or (asks.which_face(name) if asking else None),
                accept_doubtful or (asks.enrol_all_the_same if asking else False),
            )
        except NotEnrolledError as error:
            raise GalleryError(f"{error}{_hint(error)}") from None
    if json:
        print_json(enrolment)
        return
    _warn_of(enrolment)
    say(f"enrolled {enrolment.person} with {enrolment.faces} of {len(photos)} photos in {gallery}")
    if enrolment.faces:
        say(f"to take it back: {command_line('facespace gallery undo-enrol', enrolment.person, '-g', gallery)}")


def _enrol_folder(
    opened: Gallery,
    gallery: str,
    folder: Path,
    least_quality: float,
    keep: bool,
    choose: ChooseFace | None,
    accept_doubtful: bool,
    json: bool,
) -> None:
    before = last_entry(opened.store)
    done: list[EnrolledPerson] = []
    passed: list[PassedOver] = []
    people = people_in(folder, passed.append)
    undo = command_line("facespace gallery undo-enrol", "--after", str(before), "-g", gallery)
    try:
        with photo_progress("enrolling people", len(people)) as step:
            for person in enrol_people(
                opened, folder, least_quality, keep, choose, accept_doubtful, lambda entry: None
            ):
                done.append(person)
                step()
    except KeyboardInterrupt:
        again = command_line("facespace enrol --people", str(folder), "-g", gallery)
        warn(f"stopped after {len(done)} of {len(people)} people; to go on: {again}; to take it back: {undo}")
        raise
    if all(person.enrolment is None for person in done):
        warn_passed_over(folder, passed)
        raise GalleryError(f"none of the {len(done)} people in {text_of(folder)} can be enrolled: {done[0].failure}")
    if json:
        print_json({"people": done, "passed_over": passed, "before": before})
        return
    warn_passed_over(folder, passed)
    for person in done:
        if person.enrolment is None:
            warn(f"{person.name}: {person.failure}")
        else:
            _warn_of(person.enrolment)
    faces = sum(person.enrolment.faces for person in done if person.enrolment)
    photos = sum(person.photos for person in done)
    enrolled = sum(person.enrolment is not None for person in done)
    say(f"enrolled {enrolled} of {len(done)} people with {faces} of {photos} photos in {gallery}")
    if faces:
        say(f"to take it back: {undo}")


def _hint(error: NotEnrolledError) -> str:
    """The options that would enrol photos that were refused."""
    kinds = {failure.kind for failure in error.failures}
    hints = {
        "several-faces": "--largest enrols the largest face, --face NUMBER another",
        "doubtful": "--accept-doubtful enrols photos that look like somebody else",
        "low-quality": "--least-quality takes worse ones",
    }
    return "".join(f"; {hint}" for kind, hint in hints.items() if kind in kinds)


def _warn_of(enrolment: Enrolment) -> None:
    for left_out in (*enrolment.failures, *enrolment.folded):
        hint = " (--largest takes the largest)" if "choose which" in left_out.reason else ""
        warn(f"left out {photo_name(left_out.photo)}: {left_out.reason}{hint}")
    for doubtful in enrolment.doubtful:
        warn(
            f"left out {photo_name(doubtful.photo)}: {doubtful.reason}; --accept-doubtful enrols it as "
            f"{enrolment.person} all the same"
        )
    for outlier in enrolment.outliers:
        warn(f"look at {photo_name(outlier.photo)}: {outlier.reason}")
    for other in enrolment.alike:
        warn(
            f"{enrolment.person} looks like {other.name}, who is enrolled already (probability "
            f"{other.probability:.0%}). If they are one person, merge them (facespace gallery merge): until then their "
            "photos may be given either name, and each name is recognised by its own photos only"
        )


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
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Exit with 0 where somebody known was found, with 1 where nobody was.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Who is this? The nearest people of a gallery, or nobody we know.

    Faces are numbered in reading order, as `facespace faces PHOTO --draw OUT` numbers them.
    """
    found: dict[Path, list[Identification]] = {}
    failed: dict[Path, str] = {}
    with Gallery(
        gallery, load(model, provider=provider, threads=threads, truncated=truncated), read_key(key_file), create=False
    ) as people:
        for photo in photos:
            try:
                found[photo] = people.identify(photo, fpir=fpir, top=top)
            except ImageError as error:
                if len(photos) == 1:
                    raise
                failed[photo] = str(error)
    if photos and not found:
        raise ImageError(f"none of the {len(photos)} photos can be used: {next(iter(failed.values()))}")
    if json:
        print_json(
            {
                "photos": [
                    {
                        "photo": photo,
                        "faces": [{"face": number, **as_json(face)} for number, face in enumerate(faces, start=1)],
                    }
                    for photo, faces in found.items()
                ],
                "failed": [{"photo": photo, "reason": reason} for photo, reason in failed.items()],
            }
        )
    else:
        for photo, reason in failed.items():
            warn(f"left out {photo}: {reason}")
        table("", ["photo", "face", "who", "nearest (adjusted distance, probability)"], _identified(found))
    if exit_code and not any(face.person for faces in found.values() for face in faces):
        raise typer.Exit(1)


def _identified(found: dict[Path, list[Identification]]) -> list[list[str]]:
    rows = []
    for photo, faces in found.items():
        if not faces:
            rows.append([str(photo), "-", "no face found", ""])
        for number, face in enumerate(faces, start=1):
            candidates = ", ".join(
                f"{c.name} ({c.adjusted_distance:.2f}, {c.probability:.0%})" for c in face.candidates
            )
            rows.append([str(photo), str(number), face.person or "nobody we know", candidates])
    return rows


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
