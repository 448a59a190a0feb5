"""The commands `cluster` and `album ...`: group the faces of photos, and correct the groups."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facespace.cli.app import app
from facespace.cli.faces import Engine
from facespace.cli.options import AsJson, ModelPath, Provider, Threads, Truncated
from facespace.cli.output import command_line, echo, photo_name, print_json, short_time, table, warn, warn_skipped
from facespace.cli.progress import photo_progress
from facespace.errors import AlbumError, FacespaceError
from facespace.filenames import text_of

if TYPE_CHECKING:
    from facespace.album import Added, Album, AlbumCluster
    from facespace.space import Space

album_app = typer.Typer(help="Review and correct the people in an album.", no_args_is_help=True)
app.add_typer(album_app, name="album")


def _album_in(path: Path) -> Path:
    """Return the path of an album, given the file or the folder that `cluster --out` wrote."""
    if not path.is_dir():
        return path
    if not (path / "album.db").is_file():
        raise AlbumError(f"there is no album in {text_of(path)}; create one with `facespace cluster PHOTOS --out DIR`")
    return path / "album.db"


AlbumPath = Annotated[
    Path,
    typer.Argument(help="The album: an SQLite file, or the folder written by `cluster --out`.", callback=_album_in),
]
Threshold = Annotated[
    float | None,
    typer.Option(help="Squared distance at which to cut. Default: from the model card, adapted to the photos."),
]
FaceNumbers = Annotated[list[int], typer.Argument(help="Face numbers.")]
FaceNumber = Annotated[int, typer.Argument(help="A face number.")]
Name = Annotated[str, typer.Argument(help="The name of the person.")]
Cluster = Annotated[int, typer.Argument(help="A cluster number.")]


@app.command("cluster")
def cluster_command(
    folder: Annotated[
        str,
        typer.Argument(help="A folder of photos. With --engine ray also s3://..., or a .parquet file from `faces`."),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the album, contact sheet, table, JSON and links. Photos are added to an existing album."
        ),
    ] = None,
    engine: Annotated[
        Engine,
        typer.Option(help="Threads of this machine, or Ray. Ray writes clusters.parquet to --out instead of an album."),
    ] = Engine.threads,
    workers: Annotated[
        int | None, typer.Option(min=1, help="With --engine ray: processes on this machine. Default: one per core.")
    ] = None,
    model: ModelPath = None,
    threshold: Threshold = None,
    provider: Provider = None,
    threads: Threads = None,
    truncated: Truncated = False,
    json: AsJson = False,
) -> None:
    """Group the faces in a folder of photos by person."""
    from facespace.space import load

    if engine is Engine.ray and out is None:
        raise FacespaceError("--engine ray needs --out: a folder that every machine can read and write")
    if engine is not Engine.ray and workers is not None:
        raise FacespaceError("--workers needs --engine ray; --threads sets the threads of this machine")
    space = load(model, provider=provider, threads=threads, truncated=truncated)
    if engine is Engine.ray and out is not None:
        from facespace.cli.cluster_ray import cluster_with_ray

        cluster_with_ray(folder, out, space, model, threshold, workers, truncated, json)
        return
    _cluster_here(Path(folder), out, space, threshold, json)


def _cluster_here(folder: Path, out: Path | None, space: "Space", threshold: float | None, json: bool) -> None:
    from facespace.album import Album, check_replaceable, cluster, write_sheet

    if out is None:
        with photo_progress("finding faces", None) as step:
            clusters = cluster(space, folder, threshold, step)
        if json:
            print_json(clusters)
            return
        warn_skipped(folder, clusters.skipped)
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
        keep = command_line("facespace cluster", str(folder), "--out", "DIR")
        echo("to save these groups, correct them and add photos later:")
        echo(f"  {keep}")
        return
    check_replaceable(out)
    new = not out.exists()
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AlbumError(f"cannot create {text_of(out)}: {error.strerror}; choose another folder with --out") from None
    try:
        with Album(out / "album.db", space, threshold) as album, photo_progress("finding faces", None) as step:
            added = album.add(folder, step)
            page, people = write_sheet(album, out), album.clusters()
    except KeyboardInterrupt:
        again = command_line("facespace cluster", str(folder), "--out", str(out))
        warn(f"interrupted; run the same command to continue: {again}")
        raise
    except FacespaceError:
        if new:
            # A command that failed before it saved anything leaves no empty folder.
            with suppress(OSError):
                out.rmdir()
        raise
    if not json:
        _report_added(folder, out, added)
    if json:
        print_json({"added": added, "clusters": people, "sheet": page, "album": out / "album.db"})
        return
    echo(f"{added.faces} faces in {added.photos} photos ({added.known} already known); {len(people)} people: {page}")


@album_app.command("show")
def show_command(album: AlbumPath, model: ModelPath = None, json: AsJson = False) -> None:
    """List the people in an album, with the faces to check first."""
    with _open_album(album, model) as opened:
        clusters = opened.clusters()
    if json:
        print_json({"clusters": clusters})
        return
    table(f"{len(clusters)} people", ["person", "name", "faces", "cohesion", "check"], [_row(c) for c in clusters])


@album_app.command("questions")
def questions_command(
    album: AlbumPath,
    limit: Annotated[int, typer.Option(min=1, help="Number of questions to show.")] = 20,
    model: ModelPath = None,
    json: AsJson = False,
) -> None:
    """List pairs of faces that may be the same person.

    The pairs whose answers help most come first.
    """
    with _open_album(album, model) as opened:
        found = opened.questions(limit)
    if json:
        print_json({"questions": found})
        return
    rows = [
        [f"same {q.a} {q.b}", f"{q.clusters[0]}, {q.clusters[1]}", f"{q.probability:.0%}", f"{q.gain:.1f}"]
        for q in found
    ]
    table("", ["answer: same or different", "clusters", "probability", "settles faces"], rows)


@album_app.command("merge")
def merge_command(
    album: AlbumPath, clusters: Annotated[list[int], typer.Argument(help="Cluster numbers.")], model: ModelPath = None
) -> None:
    """Merge clusters of the same person into the first one."""
    with _open_album(album, model) as opened:
        _report_decision(album, opened.merge(clusters))


@album_app.command("split")
def split_command(album: AlbumPath, faces: FaceNumbers, model: ModelPath = None) -> None:
    """Split faces off their cluster as another person."""
    with _open_album(album, model) as opened:
        _report_decision(album, opened.split(faces))


@album_app.command("move")
def move_command(
    album: AlbumPath,
    faces: FaceNumbers,
    to: Annotated[int, typer.Option(help="Number of the cluster to move them to.")],
    model: ModelPath = None,
) -> None:
    """Move faces to another cluster."""
    with _open_album(album, model) as opened:
        _report_decision(album, opened.move(faces, to))


@album_app.command("name")
def name_command(album: AlbumPath, cluster: Cluster, name: Name, model: ModelPath = None) -> None:
    """Name the person of a cluster. Clusters with the same name are merged."""
    with _open_album(album, model) as opened:
        _report_decision(album, opened.name(cluster, name))


@album_app.command("same")
def same_command(album: AlbumPath, a: FaceNumber, b: FaceNumber, model: ModelPath = None) -> None:
    """Mark two faces as the same person."""
    with _open_album(album, model) as opened:
        _report_decision(album, opened.same(a, b))


@album_app.command("different")
def different_command(album: AlbumPath, a: FaceNumber, b: FaceNumber, model: ModelPath = None) -> None:
    """Mark two faces as different people."""
    with _open_album(album, model) as opened:
        _report_decision(album, opened.different(a, b))


@album_app.command("undo")
def undo_command(
    album: AlbumPath,
    decision: Annotated[int | None, typer.Argument(help="Decision number. Default: the last one.")] = None,
    model: ModelPath = None,
) -> None:
    """Undo a decision."""
    with _open_album(album, model) as opened:
        undone = opened.undo(decision)
    echo(f"undid decision {undone.id}: {undone.what}")


@album_app.command("history")
def history_command(album: AlbumPath, model: ModelPath = None, json: AsJson = False) -> None:
    """List all decisions, including undone ones."""
    with _open_album(album, model) as opened:
        decisions = opened.history()
    if json:
        print_json({"decisions": decisions})
        return
    rows = [[str(d.id), d.what, short_time(d.made), short_time(d.undone or "")] for d in decisions]
    table("", ["decision", "what", "time (UTC)", "undone"], rows)


@album_app.command("recluster")
def recluster_command(album: AlbumPath, model: ModelPath = None) -> None:
    """Recluster, keeping your decisions."""
    with _open_album(album, model) as opened:
        opened.recluster()
        echo(f"{len(opened.clusters())} people")


@album_app.command("know")
def know_command(
    album: AlbumPath,
    gallery: Annotated[Path, typer.Option("--gallery", "-g", help="The gallery to take names and faces from.")],
    model: ModelPath = None,
) -> None:
    """Name people of an album after the people of a gallery."""
    from facespace.album import Album
    from facespace.gallery import Gallery
    from facespace.space import load

    space = load(model)
    with Gallery(gallery, space, create=False) as people:
        known = {person.name: [face.embedding for face in people.faces(person.id)] for person in people.people()}
    with Album(album, space, create=False) as opened:
        opened.know(known)
        named = [c.name for c in opened.clusters() if c.name]
    echo(f"{len(named)} of {len(known)} people of {gallery} are in {album}: {', '.join(named)}")


@album_app.command("missing")
def missing_command(
    album: AlbumPath,
    forget: Annotated[
        bool, typer.Option("--forget", help="Delete their faces and the decisions about them, permanently.")
    ] = False,
    model: ModelPath = None,
    json: AsJson = False,
) -> None:
    """List missing photos, also those on disconnected drives."""
    with _open_album(album, model) as opened:
        photos = opened.missing()
        faces = opened.forget_missing() if forget else 0
    if json:
        print_json({"missing": photos, "forgotten_faces": faces})
        return
    for photo in photos:
        echo(photo)
    echo(f"{len(photos):,} photos are missing" + (f"; deleted their {faces:,} faces" if forget else ""))


@album_app.command("sheet")
def sheet_command(
    album: AlbumPath, out: Annotated[Path, typer.Argument(help="The folder to write.")], model: ModelPath = None
) -> None:
    """Write the contact sheet, table, JSON and links."""
    from facespace.album import write_sheet

    with _open_album(album, model) as opened:
        echo(str(write_sheet(opened, out)))


def _report_added(folder: Path, out: Path, added: "Added") -> None:
    warn_skipped(folder, added.skipped)
    for failure in added.failures:
        warn(f"left out {photo_name(failure.photo)}: {failure.reason}")
    if added.moved:
        old, new = added.moved[0]
        warn(f"{len(added.moved):,} photos were moved and keep their faces: {old} is now {new}" + _more(added.moved))
    if added.missing:
        command = command_line("facespace album missing", str(out / "album.db"))
        warn(
            f"{len(added.missing):,} photos of the album are missing: {added.missing[0]}"
            f"{_more(added.missing)}; list them with: {command} (add --forget to delete their faces)"
        )


def _more(listed: Sequence[object]) -> str:
    return f", and {len(listed) - 1:,} more" if len(listed) > 1 else ""


def _row(found: "AlbumCluster") -> list[str]:
    check = ", ".join(str(face.number) for face in found.doubtful[:5])
    return [str(found.number), found.name or "", str(len(found.faces)), f"{found.cohesion:.2f}", check]


def _open_album(album: Path, model: Path | None) -> "Album":
    """Open an album. A mistyped path is an error; it does not create an empty album."""
    from facespace.album import Album
    from facespace.space import load

    return Album(album, load(model), create=False)


def _report_decision(album: Path, decision: int) -> None:
    undo = command_line("facespace album undo", str(album), str(decision))
    echo(f"saved decision {decision}; to undo it: {undo}")
