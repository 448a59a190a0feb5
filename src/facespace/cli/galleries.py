"""The commands `gallery ...`: correct, back up, audit and upgrade a gallery."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facespace.cli.app import app
from facespace.cli.options import AsJson, GalleryPath, KeyFile, ModelPath
from facespace.cli.output import as_json, command_line, echo, print_json, short_time, table, warn
from facespace.cli.progress import embedding_progress
from facespace.errors import FacespaceError

if TYPE_CHECKING:
    from facespace.gallery import Gallery

gallery_app = typer.Typer(help="Correct, back up, audit and upgrade a gallery.", no_args_is_help=True)
app.add_typer(gallery_app, name="gallery")

Name = Annotated[str, typer.Argument(help="The person's name.")]


def _open(gallery: str, model: Path | None, key_file: Path | None, create: bool = False) -> "Gallery":
    """Open a gallery for maintenance; a model is needed only to create one, and must match an existing one."""
    from facespace.gallery import Gallery, read_key
    from facespace.space import load

    return Gallery(gallery, load(model) if create or model is not None else None, read_key(key_file), create)


@gallery_app.command("show")
def show_command(
    name: Name, gallery: GalleryPath, model: ModelPath = None, key_file: KeyFile = None, json: AsJson = False
) -> None:
    """Show a person's attributes and faces."""
    import numpy as np

    from facespace.gallery import Gallery, read_key, unlike_others
    from facespace.space import load

    space = load(model)
    with Gallery(gallery, space, read_key(key_file), create=False) as people:
        person = people.find(name)
        faces = people.faces(person.id)
    unlike = unlike_others(np.stack([face.embedding for face in faces]), space.decision()) if faces else []
    if json:
        kept = [
            {**as_json(replace(face, embedding=face.embedding.tolist())), "unlike_others": doubt}
            for face, doubt in zip(faces, unlike, strict=True)
        ]
        print_json({"person": person, "faces": kept})
        return
    echo(f"{person.name}, enrolled {short_time(person.created)} UTC, attributes {dict(person.attributes)}")
    rows = [
        [
            str(face.id),
            face.photo,
            "-" if face.quality is None else f"{face.quality:.2f}",
            short_time(face.created),
            "looks like somebody else" if doubt else "",
        ]
        for face, doubt in zip(faces, unlike, strict=True)
    ]
    table("", ["face", "photo", "quality", "enrolled (UTC)", "note"], rows)


@gallery_app.command("rename")
def rename_command(
    old: Name,
    new: Annotated[str, typer.Argument(help="The new name.")],
    gallery: GalleryPath,
    model: ModelPath = None,
    key_file: KeyFile = None,
) -> None:
    """Rename a person."""
    with _open(gallery, model, key_file) as people:
        people.rename(old, new)
    echo(f"renamed {old} to {new}")


@gallery_app.command("merge")
def merge_command(
    name: Name,
    into: Annotated[str, typer.Argument(help="The person to merge into.")],
    gallery: GalleryPath,
    model: ModelPath = None,
    key_file: KeyFile = None,
) -> None:
    """Merge two people who are the same person."""
    with _open(gallery, model, key_file) as people:
        people.merge(name, into)
    echo(f"merged {name} into {into}; to undo it: {command_line('facespace gallery undo', into, '-g', gallery)}")


@gallery_app.command("undo")
def undo_command(name: Name, gallery: GalleryPath, model: ModelPath = None, key_file: KeyFile = None) -> None:
    """Undo the last merge into a person."""
    with _open(gallery, model, key_file) as people:
        other = people.undo_merge(name)
    echo(f"{other.name} is a separate person again")


@gallery_app.command("undo-enrol")
def undo_enrol_command(
    gallery: GalleryPath,
    name: Annotated[str | None, typer.Argument(help="The person whose last enrolment to undo.")] = None,
    after: Annotated[
        int | None, typer.Option(min=0, help="Undo all enrolments after this entry of the audit log instead.")
    ] = None,
    model: ModelPath = None,
    key_file: KeyFile = None,
    json: AsJson = False,
) -> None:
    """Undo an enrolment.

    The faces and people that it added are deleted permanently.
    """
    if (name is None) == (after is None):
        raise FacespaceError("give either the NAME of a person or --after NUMBER, an entry of the audit log")
    with _open(gallery, model, key_file) as people:
        undone = [people.undo_enrol(name)] if name is not None else people.undo_enrolments_after(after or 0)
    if json:
        print_json({"undone": undone})
        return
    for each in undone[:20]:
        echo(f"deleted {each.faces} faces of {each.name}" + (" and the person" if each.gone else ""))
    echo(f"undid {len(undone)} enrolments in {gallery}")


@gallery_app.command("move")
def move_command(
    face: Annotated[int, typer.Argument(help="Number of the face; `facespace gallery show NAME` lists them.")],
    to: Name,
    gallery: GalleryPath,
    model: ModelPath = None,
    key_file: KeyFile = None,
) -> None:
    """Move a face to another person."""
    with _open(gallery, model, key_file) as people:
        people.move(face, to)
    echo(f"moved face {face} to {to}")


@gallery_app.command("audit")
def audit_command(
    gallery: GalleryPath,
    model: ModelPath = None,
    key_file: KeyFile = None,
    expect: Annotated[
        str | None, typer.Option(help="A hash that was noted earlier and must still be in the log.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Show the audit log and check that it was not tampered with."""
    with _open(gallery, model, key_file) as people:
        last = people.store.audit.verify(expect)
        events = list(people.audit())
    if json:
        print_json({"events": events, "hash": last.hash if last else None})
        return
    table(
        "",
        ["entry", "time (UTC)", "actor", "action", "detail"],
        [[str(e.number), short_time(e.time), e.actor, e.action, str(e.detail)] for e in events],
    )
    if last:
        echo(f"the log is unchanged; to check it again later, note this hash elsewhere: {last.hash}")


@gallery_app.command("check")
def check_command(
    gallery: GalleryPath, model: ModelPath = None, key_file: KeyFile = None, json: AsJson = False
) -> None:
    """Check the integrity of a gallery.

    Checks the structure, faces, templates and the audit log.
    """
    from facespace import gallery as galleries

    with _open(gallery, model, key_file) as people:
        checked = galleries.check(people.store)
    if json:
        print_json(checked)
        return
    echo(f"no errors found: {checked.people} people, {checked.faces} faces, {checked.audited} entries in the audit log")


@gallery_app.command("index")
def index_command(
    gallery: GalleryPath,
    model: ModelPath = None,
    key_file: KeyFile = None,
    kind: Annotated[
        str | None,
        typer.Option(
            help="With pgvector: exact or hnsw. With a vector engine: exact or approximate. Default: depends on the "
            "number of people."
        ),
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option(
            help="Search this gallery with a vector engine from now on: lancedb:FOLDER or lancedb:s3://bucket/folder; "
            "none: stop using it."
        ),
    ] = None,
) -> None:
    """Rebuild and save the search index.

    It is saved next to the gallery, or in its vector engine if it uses one.
    """
    with _open(gallery, model, key_file) as people:
        if engine is not None:
            people.index.use(None if engine == "none" else engine)
        built = people.index.build(kind)
        echo(f"built the {built} index of {len(people.index)} people")


@gallery_app.command("backup")
def backup_command(
    to: Annotated[Path, typer.Argument(help="The file to write.")],
    gallery: GalleryPath,
    model: ModelPath = None,
    key_file: KeyFile = None,
) -> None:
    """Copy a gallery, also while it is in use."""
    from facespace import gallery as galleries

    with _open(gallery, model, key_file) as people:
        galleries.backup(people.store, to)
    echo(f"copied {gallery} to {to}")


@gallery_app.command("export")
def export_command(
    to: Annotated[Path, typer.Argument(help="The file to write: .jsonl or .parquet. It is not encrypted.")],
    gallery: GalleryPath,
    model: ModelPath = None,
    key_file: KeyFile = None,
) -> None:
    """Export all people and faces to JSON Lines or Parquet."""
    from facespace import gallery as galleries

    with _open(gallery, model, key_file) as people:
        count = galleries.export_gallery(people.store, to)
    echo(f"wrote {count} people to {to}")


@gallery_app.command("import")
def import_command(
    file: Annotated[Path, typer.Argument(help="An exported gallery: .jsonl or .parquet.")],
    gallery: GalleryPath,
    model: ModelPath = None,
    key_file: KeyFile = None,
) -> None:
    """Import people and faces from an exported gallery."""
    from facespace import gallery as galleries

    with _open(gallery, model, key_file, create=True) as people:
        done = galleries.import_gallery(people.store, file)
    echo(f"added {done.people} people and {done.faces} faces; {done.known} faces were already in the gallery")


@gallery_app.command("salvage")
def salvage_command(
    damaged: Annotated[Path, typer.Argument(help="The damaged gallery. It is not changed.")],
    gallery: GalleryPath,
    model: ModelPath = None,
    key_file: KeyFile = None,
) -> None:
    """Recover the readable faces of a damaged gallery."""
    from facespace import gallery as galleries

    with _open(gallery, model, key_file, create=True) as people:
        done = galleries.salvage(damaged, people.store)
    echo(f"recovered {done.faces} faces of {done.people} people; {done.lost} faces were lost")


@gallery_app.command("upgrade")
def upgrade_command(
    gallery: GalleryPath,
    model: ModelPath = None,
    key_file: KeyFile = None,
    drop: Annotated[bool, typer.Option("--drop", help="Delete faces that cannot be embedded again.")] = False,
    mix: Annotated[
        bool,
        typer.Option("--mix", help="Keep the old embeddings: for a model trained to be compatible with the old one."),
    ] = False,
    json: AsJson = False,
) -> None:
    """Upgrade a gallery to another model.

    Its photos are embedded again. It can be interrupted and continued, and the gallery can be searched meanwhile. If a
    photo is missing, the stored thumbnail of the face is used, if there is one.
    """
    from facespace import gallery as galleries
    from facespace.gallery import read_key
    from facespace.model import read_model
    from facespace.model.shipped import find_model
    from facespace.space import load

    secret = read_key(key_file)
    if mix:
        card = read_model(find_model(model)).card
        galleries.adopt(gallery, card, secret)
        if json:
            print_json({"model": card.name, "faces": 0})
            return
        echo(f"{gallery} now uses the model {card.name}; old and new embeddings are compared with each other")
        return
    space = load(model)
    with embedding_progress() as on_face:
        done = galleries.upgrade(gallery, space, secret, drop, on_face)
    if json:
        print_json(done)
        return
    for photo, reason in done.dropped:
        warn(f"dropped a face of {photo}: {reason}")
    pictured = f", {done.from_pictures} of them from stored thumbnails" if done.from_pictures else ""
    echo(f"embedded {done.faces} faces{pictured} ({done.before} were done before), dropped {len(done.dropped)}")
    echo(f"{gallery} now uses the model {space.card.name}")


@gallery_app.command("key")
def key_command(file: Annotated[Path, typer.Argument(help="The file to write.")]) -> None:
    """Create a key for encrypted galleries. A gallery cannot be read without its key."""
    from facespace import gallery as galleries

    galleries.write_key(file)
    echo(f"wrote a new key to {file}; keep it separate from the gallery and its backups")
