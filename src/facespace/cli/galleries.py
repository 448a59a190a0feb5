"""The upkeep of galleries at the command line: facespace gallery ..."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from facespace import gallery as galleries
from facespace.cli.app import app
from facespace.cli.options import AsJson, GalleryPath, KeyFile, ModelPath
from facespace.cli.output import as_json, command_line, print_json, say, table, warn
from facespace.cli.progress import embedding_progress
from facespace.errors import FacespaceError
from facespace.gallery import Gallery, read_key, unlike_others
from facespace.model import read_model
from facespace.model.shipped import find_model
from facespace.space import load

gallery_app = typer.Typer(help="Look after a gallery: who is who, backups, audit, another model.", no_args_is_help=True)
app.add_typer(gallery_app, name="gallery")

Name = Annotated[str, typer.Argument(help="The person's name.")]


def _open(gallery: str, model: Path | None, key_file: Path | None, create: bool = False) -> Gallery:
    return Gallery(gallery, load(model), read_key(key_file), create)


@gallery_app.command("show")
def show_command(
    name: Name, gallery: GalleryPath, model: ModelPath = None, key_file: KeyFile = None, json: AsJson = False
) -> None:
    """A person's attributes and faces, with the number of each face."""
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
    say(f"{person.name}, since {person.created}, {dict(person.attributes)}")
    rows = [
        [
            str(face.id),
            face.photo,
            "-" if face.quality is None else f"{face.quality:.2f}",
            face.created,
            "looks like somebody else" if doubt else "",
        ]
        for face, doubt in zip(faces, unlike, strict=True)
    ]
    table("", ["face", "photo", "quality", "since", "look at"], rows)


@gallery_app.command("rename")
def rename_command(
    old: Name,
    new: Annotated[str, typer.Argument(help="The new name.")],
    gallery: GalleryPath,
    model: ModelPath = None,
    key_file: KeyFile = None,
) -> None:
    """Give a person another name."""
    with _open(gallery, model, key_file) as people:
        people.rename(old, new)
    say(f"{old} is {new} now")


@gallery_app.command("merge")
def merge_command(
    name: Name,
    into: Annotated[str, typer.Argument(help="Who they really are.")],
    gallery: GalleryPath,
    model: ModelPath = None,
    key_file: KeyFile = None,
) -> None:
    """Two names were one person: give all faces of one to the other."""
    with _open(gallery, model, key_file) as people:
        people.merge(name, into)
    say(f"{name} is part of {into} now; to take it back: {command_line('facespace gallery undo', into, '-g', gallery)}")


@gallery_app.command("undo")
def undo_command(name: Name, gallery: GalleryPath, model: ModelPath = None, key_file: KeyFile = None) -> None:
    """Take back the last merge into a person."""
    with _open(gallery, model, key_file) as people:
        other = people.undo_merge(name)
    say(f"{other.name} is somebody of their own again")


@gallery_app.command("undo-enrol")
def undo_enrol_command(
    gallery: GalleryPath,
    name: Annotated[str | None, typer.Argument(help="Whose last enrolment to take back.")] = None,
    after: Annotated[
        int | None, typer.Option(min=0, help="Take back all enrolments after this entry of the audit log instead.")
    ] = None,
    model: ModelPath = None,
    key_file: KeyFile = None,
    json: AsJson = False,
) -> None:
    """Take back an enrolment: the faces that it added are deleted for good, and whom it made."""
    if (name is None) == (after is None):
        raise FacespaceError("say whose enrolment to take back, by name, or give --after NUMBER of the audit log")
    with _open(gallery, model, key_file) as people:
        undone = [people.undo_enrol(name)] if name is not None else people.undo_enrolments_after(after or 0)
    if json:
        print_json({"undone": undone})
        return
    for each in undone[:20]:
        say(f"deleted {each.faces} faces of {each.person}" + (", who is gone" if each.gone else ""))
    say(f"{len(undone)} enrolments were taken back in {gallery}")


@gallery_app.command("move")
def move_command(
    face: Annotated[int, typer.Argument(help="Number of the face; `facespace gallery show NAME` lists them.")],
    to: Name,
    gallery: GalleryPath,
    model: ModelPath = None,
    key_file: KeyFile = None,
) -> None:
    """Give one face to somebody else."""
    with _open(gallery, model, key_file) as people:
        people.move(face, to)
    say(f"face {face} belongs to {to} now")


@gallery_app.command("audit")
def audit_command(
    gallery: GalleryPath,
    model: ModelPath = None,
    key_file: KeyFile = None,
    expect: Annotated[str | None, typer.Option(help="The hash that was noted earlier; it must still be there.")] = None,
    json: AsJson = False,
) -> None:
    """Who was enrolled, searched and deleted when; and check that nothing of it was changed."""
    with _open(gallery, model, key_file) as people:
        last = people.store.audit.verify(expect)
        events = list(people.audit())
    if json:
        print_json({"events": events, "hash": last.hash if last else None})
        return
    table(
        "", ["", "when", "who", "what", ""], [[str(e.number), e.time, e.actor, e.action, str(e.detail)] for e in events]
    )
    if last:
        say(f"unchanged; note this hash elsewhere to check again: {last.hash}")


@gallery_app.command("check")
def check_command(
    gallery: GalleryPath, model: ModelPath = None, key_file: KeyFile = None, json: AsJson = False
) -> None:
    """Look at everything in a gallery: structure, faces, templates, audit log."""
    with _open(gallery, model, key_file) as people:
        checked = galleries.check(people.store)
    if json:
        print_json(checked)
        return
    say(f"sound: {checked.people} people, {checked.faces} faces, {checked.audited} entries in the audit log")


@gallery_app.command("index")
def index_command(
    gallery: GalleryPath,
    model: ModelPath = None,
    key_file: KeyFile = None,
    kind: Annotated[
        str | None,
        typer.Option(help="exact, hnsw, or of a vector engine approximate; by the number of people where not given."),
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option(
            help="Let this vector engine search the gallery from now on: lancedb:FOLDER or lancedb:s3://bucket/folder; "
            "none goes back."
        ),
    ] = None,
) -> None:
    """Build the index anew and save it beside the gallery, or in its vector engine."""
    with _open(gallery, model, key_file) as people:
        if engine is not None:
            people.index.use(None if engine == "none" else engine)
        built = people.index.build(kind)
        say(f"built an index ({built}) of {len(people.index)} people")


@gallery_app.command("backup")
def backup_command(
    to: Annotated[Path, typer.Argument(help="The file to write.")],
    gallery: GalleryPath,
    model: ModelPath = None,
    key_file: KeyFile = None,
) -> None:
    """Copy a gallery while it is in use."""
    with _open(gallery, model, key_file) as people:
        galleries.backup(people.store, to)
    say(f"copied {gallery} to {to}")


@gallery_app.command("export")
def export_command(
    to: Annotated[Path, typer.Argument(help="The file to write: .jsonl or .parquet. It is not encrypted.")],
    gallery: GalleryPath,
    model: ModelPath = None,
    key_file: KeyFile = None,
) -> None:
    """Write everybody to a file that other programs can read."""
    with _open(gallery, model, key_file) as people:
        count = galleries.export_gallery(people.store, to)
    say(f"wrote {count} people to {to}")


@gallery_app.command("import")
def import_command(
    file: Annotated[Path, typer.Argument(help="An exported gallery: .jsonl or .parquet.")],
    gallery: GalleryPath,
    model: ModelPath = None,
    key_file: KeyFile = None,
) -> None:
    """Add everybody of an exported gallery."""
    with _open(gallery, model, key_file, create=True) as people:
        done = galleries.import_gallery(people.store, file)
    say(f"added {done.people} people and {done.faces} faces; {done.known} faces were there already")


@gallery_app.command("salvage")
def salvage_command(
    damaged: Annotated[Path, typer.Argument(help="The damaged gallery; it is only read.")],
    gallery: GalleryPath,
    model: ModelPath = None,
    key_file: KeyFile = None,
) -> None:
    """Save what can be saved of a damaged gallery into a new one."""
    with _open(gallery, model, key_file, create=True) as people:
        done = galleries.salvage(damaged, people.store)
    say(f"saved {done.faces} faces of {done.people} people; {done.lost} faces were lost")


@gallery_app.command("upgrade")
def upgrade_command(
    gallery: GalleryPath,
    model: ModelPath = None,
    key_file: KeyFile = None,
    drop: Annotated[bool, typer.Option("--drop", help="Delete faces that cannot be embedded anew.")] = False,
    mix: Annotated[
        bool, typer.Option("--mix", help="Keep the old points: for a model trained to be comparable with the old one.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Move a gallery to another model, from its photos; it can be stopped, continued, and searched meanwhile.

    Where a photo is gone, the picture kept of the face serves, if there is one.
    """
    secret = read_key(key_file)
    if mix:
        card = read_model(find_model(model)).card
        galleries.adopt(gallery, card, secret)
        if json:
            print_json({"model": card.name, "faces": 0})
            return
        say(f"{gallery} goes on with the model {card.name}; old and new points are compared")
        return
    space = load(model)
    with embedding_progress() as on_face:
        done = galleries.upgrade(gallery, space, secret, drop, on_face)
    if json:
        print_json(done)
        return
    for photo, reason in done.dropped:
        warn(f"dropped a face of {photo}: {reason}")
    pictured = f", {done.from_pictures} of them from kept pictures" if done.from_pictures else ""
    say(f"embedded {done.faces} faces anew{pictured} ({done.before} before), dropped {len(done.dropped)}")
    say(f"{gallery} is of the model {space.card.name} now")


@gallery_app.command("key")
def key_command(file: Annotated[Path, typer.Argument(help="The file to write.")]) -> None:
    """Make a key for encrypted galleries; without it such a gallery is lost."""
    galleries.write_key(file)
    say(f"wrote a new key to {file}; keep it apart from the gallery and its backups")
