"""The commands `enrol`, `identify`, `people` and `remove`; maintenance commands are in `galleries`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facespace.cli import prompts
from facespace.cli.app import app
from facespace.cli.options import AsJson, GalleryPath, KeyFile, ModelPath, Provider, Threads, Truncated
from facespace.cli.output import (
    as_json,
    command_line,
    echo,
    photo_name,
    print_json,
    short_time,
    skipped_json,
    table,
    warn,
    warn_skipped,
)
from facespace.cli.progress import photo_progress
from facespace.errors import FacespaceError, GalleryError, ImageError
from facespace.filenames import text_of

# The defaults of the library, which is not imported until a command runs; a test compares them.
MIN_QUALITY, FPIR = 0.05, 0.01

if TYPE_CHECKING:
    from facespace.gallery import ChooseFace, EnrolledPerson, Enrolment, Gallery, Identification, NotEnrolledError
    from facespace.images import Skipped


@app.command("enrol")
def enrol_command(
    gallery: GalleryPath,
    name: Annotated[str | None, typer.Argument(help="The person's name.")] = None,
    photos: Annotated[list[Path] | None, typer.Argument(help="One or more photos of the person.")] = None,
    people: Annotated[
        Path | None,
        typer.Option(help="Enrol everyone in this folder: one subfolder of photos per person, named after the person."),
    ] = None,
    attributes: Annotated[str | None, typer.Option(help="Data to store with the person, as a JSON object.")] = None,
    min_quality: Annotated[
        float,
        typer.Option(min=0, max=1, help="Reject faces of lower quality than this share of ordinary photos."),
    ] = MIN_QUALITY,
    keep: Annotated[bool, typer.Option("--keep", help="Store a thumbnail of each face in the gallery.")] = False,
    largest: Annotated[
        bool, typer.Option("--largest", help="In a photo with several faces, enrol the largest.")
    ] = False,
    face: Annotated[
        int | None, typer.Option(min=1, help="In a photo with several faces, enrol the one with this number.")
    ] = None,
    accept_doubtful: Annotated[
        bool, typer.Option("--accept-doubtful", help="Also enrol photos that look like somebody else.")
    ] = False,
    model: ModelPath = None,
    key_file: KeyFile = None,
    provider: Provider = None,
    threads: Threads = None,
    truncated: Truncated = False,
    json: AsJson = False,
) -> None:
    """Enrol a person, or everyone in a folder, in a gallery.

    In a terminal, it asks about photos with several faces and photos that look like somebody else.
    """
    from facespace.gallery import Gallery, NotEnrolledError, as_attributes, largest_face, read_key
    from facespace.space import load

    if (people is None) == (name is None) or (people is None and not photos):
        raise FacespaceError("give a name and photos (enrol NAME PHOTO...) or a folder of people (enrol --people DIR)")
    if largest and face is not None:
        raise FacespaceError("--largest and --face cannot be combined; give one of them")
    if people is not None and (attributes is not None or face is not None):
        raise FacespaceError("--attributes and --face are for one person and cannot be combined with --people")
    space, secret = load(model, provider=provider, threads=threads, truncated=truncated), read_key(key_file)
    choose = largest_face if largest else face
    with Gallery(gallery, space, secret) as opened:
        if people is not None:
            _enrol_folder(opened, gallery, people, min_quality, keep, choose, accept_doubtful, json)
            return
        assert name is not None and photos is not None  # noqa: PT018
        asking = prompts.is_interactive() and not json
        try:
            enrolment = opened.enrol(
                name,
                photos,
                as_attributes(attributes),
                min_quality,
                keep,
                choose or (prompts.which_face(name) if asking else None),
                accept_doubtful or (prompts.enrol_anyway if asking else False),
            )
        except NotEnrolledError as error:
            raise GalleryError(f"{error}{_hint(error)}") from None
    if json:
        print_json(enrolment)
        return
    _warn_about(enrolment)
    echo(f"enrolled {enrolment.name} with {enrolment.faces} of {len(photos)} photos in {gallery}")
    if enrolment.faces:
        echo(f"to undo it: {command_line('facespace gallery undo-enrol', enrolment.name, '-g', gallery)}")


def _enrol_folder(
    opened: "Gallery",
    gallery: str,
    folder: Path,
    min_quality: float,
    keep: bool,
    choose: "ChooseFace | None",
    accept_doubtful: bool,
    json: bool,
) -> None:
    from facespace.gallery import enrol_people, last_entry
    from facespace.images import people_in

    before = last_entry(opened.store)
    done: list[EnrolledPerson] = []
    skipped: list[Skipped] = []
    people = people_in(folder, skipped.append)
    undo = command_line("facespace gallery undo-enrol", "--after", str(before), "-g", gallery)
    try:
        with photo_progress("enrolling", len(people), "people") as step:
            for person in enrol_people(opened, folder, min_quality, keep, choose, accept_doubtful, lambda entry: None):
                done.append(person)
                step()
    except KeyboardInterrupt:
        again = command_line("facespace enrol --people", str(folder), "-g", gallery)
        warn(f"interrupted after {len(done)} of {len(people)} people; to continue: {again}; to undo: {undo}")
        raise
    if all(person.enrolment is None for person in done):
        warn_skipped(folder, skipped)
        raise GalleryError(f"none of the {len(done)} people in {text_of(folder)} can be enrolled: {done[0].failure}")
    if json:
        print_json({"people": done, **skipped_json(skipped), "before": before})
        return
    warn_skipped(folder, skipped)
    for person in done:
        if person.enrolment is None:
            warn(f"{person.name}: {person.failure}")
        else:
            _warn_about(person.enrolment)
    faces = sum(person.enrolment.faces for person in done if person.enrolment)
    photos = sum(person.photos for person in done)
    enrolled = sum(person.enrolment is not None for person in done)
    echo(f"enrolled {enrolled} of {len(done)} people with {faces} of {photos} photos in {gallery}")
    if faces:
        echo(f"to undo it: {undo}")


def _hint(error: "NotEnrolledError") -> str:
    """Name the options that would enrol the rejected photos."""
    kinds = {failure.kind for failure in error.failures}
    hints = {
        "several-faces": "use --largest for the largest face, or --face NUMBER for another",
        "doubtful": "use --accept-doubtful to enrol photos that look like somebody else",
        "low-quality": "use a lower --min-quality to accept them",
    }
    return "".join(f"; {hint}" for kind, hint in hints.items() if kind in kinds)


def _warn_about(enrolment: "Enrolment") -> None:
    for left_out in (*enrolment.failures, *enrolment.duplicates):
        hint = " (--largest enrols the largest)" if left_out.kind == "several-faces" else ""
        warn(f"left out {photo_name(left_out.photo)}: {left_out.reason}{hint}")
    for doubtful in enrolment.doubtful:
        warn(
            f"left out {photo_name(doubtful.photo)}: {doubtful.reason}; use --accept-doubtful to enrol it as "
            f"{enrolment.name} anyway"
        )
    for outlier in enrolment.outliers:
        warn(f"check {photo_name(outlier.photo)}: {outlier.reason}")
    for other in enrolment.lookalikes:
        warn(
            f"{enrolment.name} looks like {other.name}, who is already enrolled (probability "
            f"{other.probability:.0%}). If they are the same person, merge them with `facespace gallery merge`. Until "
            "then, either name may be given to their photos, and each name is matched against its own photos only"
        )


@app.command("identify")
def identify_command(
    photos: Annotated[list[Path], typer.Argument(help="One or more photos.")],
    gallery: GalleryPath,
    model: ModelPath = None,
    key_file: KeyFile = None,
    fpir: Annotated[
        float,
        typer.Option(
            help="Maximum false-positive identification rate (FPIR): the share of unknown faces that are given a name."
        ),
    ] = FPIR,
    top: Annotated[int, typer.Option(min=1, help="Number of candidates to show per face.")] = 3,
    provider: Provider = None,
    threads: Threads = None,
    truncated: Truncated = False,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Exit with 0 if an enrolled person was found, and 1 if not.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Identify the faces in photos among the people of a gallery.

    Faces are numbered in reading order, as `facespace faces PHOTO --draw OUT` numbers them.
    """
    from facespace.gallery import Gallery, read_key
    from facespace.space import load

    found: dict[Path, Sequence[Identification]] = {}
    failed: dict[Path, str] = {}
    with Gallery(
        gallery, load(model, provider=provider, threads=threads, truncated=truncated), read_key(key_file), create=False
    ) as people:
        for photo, result in zip(photos, people.identify_stream(photos, fpir=fpir, top=top), strict=True):
            if result.failure is None:
                found[photo] = result.faces
            else:
                failed[photo] = result.failure
    if len(photos) == 1 and failed:
        raise ImageError(failed[photos[0]])
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
        table("", ["photo", "face", "person", "candidates: distance, probability"], _identified(found))
    if exit_code and not any(face.name for faces in found.values() for face in faces):
        raise typer.Exit(1)


def _identified(found: "dict[Path, Sequence[Identification]]") -> list[list[str]]:
    rows = []
    for photo, faces in found.items():
        if not faces:
            rows.append([str(photo), "-", "no face found", ""])
        for number, face in enumerate(faces, start=1):
            candidates = ", ".join(f"{c.name} {c.adjusted_distance:.2f} {c.probability:.0%}" for c in face.candidates)
            rows.append([str(photo), str(number), face.name or "unknown", candidates])
    return rows


@app.command("people")
def people_command(
    gallery: GalleryPath, model: ModelPath = None, key_file: KeyFile = None, json: AsJson = False
) -> None:
    """List the people of a gallery."""
    from facespace.gallery import Gallery, read_key
    from facespace.space import load

    with Gallery(gallery, load(model) if model else None, read_key(key_file), create=False) as opened:
        people = opened.people()
    if json:
        print_json({"people": people})
        return
    table(
        "", ["person", "faces", "enrolled (UTC)"], [[p.name, str(p.faces), short_time(str(p.created))] for p in people]
    )


@app.command("remove")
def remove_command(
    name: Annotated[str, typer.Argument(help="The person's name.")],
    gallery: GalleryPath,
    model: ModelPath = None,
    key_file: KeyFile = None,
) -> None:
    """Permanently delete a person and all their faces from a gallery."""
    from facespace.gallery import Gallery, read_key
    from facespace.space import load

    with Gallery(gallery, load(model) if model else None, read_key(key_file), create=False) as people:
        removal = people.remove(name)
    echo(f"removed {removal.name} with {removal.faces} faces from {gallery}")
    if not removal.overwritten:
        warn(
            f"deleted bytes remain. If another process is reading {gallery}, they are in {gallery}-wal until it has "
            "finished and the gallery is opened again. If a vector engine searches it, write the engine again: "
            f"{command_line('facespace gallery index', '-g', gallery)}"
        )
    for backup in removal.backups:
        warn(f"the backup {backup} still contains them; delete it too if they must be removed everywhere")
