"""Who are all these people? And what a person says about it."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from facespace.album import Added, Album, AlbumCluster, check_replaceable, cluster, write_sheet
from facespace.cli.app import app
from facespace.cli.faces import Engine
from facespace.cli.options import AsJson, ModelPath, Provider, Threads, Truncated
from facespace.cli.output import command_line, photo_name, print_json, say, table, warn, warn_passed_over
from facespace.cli.progress import photo_progress
from facespace.errors import AlbumError, FacespaceError
from facespace.images import text_of
from facespace.space import Space, load

album_app = typer.Typer(help="An album: people, and everything that was said about them.", no_args_is_help=True)
app.add_typer(album_app, name="album")


def _album_in(path: Path) -> Path:
    """The album, also where the folder was named that `cluster --out` made."""
    if not path.is_dir():
        return path
    if not (path / "album.db").is_file():
        raise AlbumError(f"there is no album in {text_of(path)}; `facespace cluster PHOTOS --out DIR` makes one in DIR")
    return path / "album.db"


AlbumPath = Annotated[
    Path, typer.Argument(help="The album: one SQLite file, or the folder of `cluster --out`.", callback=_album_in)
]
Threshold = Annotated[
    float | None, typer.Option(help="Squared distance to cut at; the model card's, adapted, where not given.")
]
Numbers = Annotated[list[int], typer.Argument(help="Numbers of faces.")]
One = Annotated[int, typer.Argument(help="Number of a face.")]
Person = Annotated[int, typer.Argument(help="Number of a cluster.")]


@app.command("cluster")
def cluster_command(
    folder: Annotated[
        str, typer.Argument(help="A folder of photos; with --engine ray also s3://... or a .parquet file of `faces`.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for album.db, contact sheet, table, JSON and links; new photos join those there."),
    ] = None,
    engine: Annotated[
        Engine, typer.Option(help="Threads of this machine; or Ray, which writes --out/clusters.parquet and no album.")
    ] = Engine.threads,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes of Ray on this machine; one a core where not given.")
    ] = None,
    model: ModelPath = None,
    threshold: Threshold = None,
    provider: Provider = None,
    threads: Threads = None,
    truncated: Truncated = False,
    json: AsJson = False,
) -> None:
    """Who are all these people? Groups the faces of a folder by person."""
    space = load(model, provider=provider, threads=threads, truncated=truncated)
    if engine is Engine.ray:
        _cluster_with_ray(folder, out, space, model, threshold, workers, truncated, json)
        return
    if workers is not None:
        raise FacespaceError("--workers goes with --engine ray; --threads says how many threads this machine uses")
    _cluster_here(Path(folder), out, space, threshold, json)


def _cluster_with_ray(
    source: str,
    out: Path | None,
    space: Space,
    model: Path | None,
    threshold: float | None,
    workers: int | None,
    truncated: bool,
    json: bool,
) -> None:
    if out is None:
        raise FacespaceError("--engine ray needs --out: a folder that every machine sees")
    from facespace.bulk.groups import group_with_ray

    failures: list[str] = []

    def on_photo(row: dict[str, str]) -> None:
        photo()
        if "failure" in row:
            warn(f"left out: {row['failure']}")
            failures.append(row["photo"])

    try:
        with photo_progress("finding faces", None) as photo:
            found = group_with_ray(source, out, space, model, threshold, workers, truncated, on_photo)
    except KeyboardInterrupt:
        warn("stopped; the same command goes on from there")
        raise
    if json:
        print_json({**vars(found), "failed": failures})
        return
    say(f"{found.faces:,} faces; {found.people:,} people: {found.out}")


def _cluster_here(folder: Path, out: Path | None, space: Space, threshold: float | None, json: bool) -> None:
    if out is None:
        clusters = cluster(space, folder, threshold)
        if json:
            print_json(clusters)
            return
        warn_passed_over(folder, clusters.passed_over)
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
        say(f"to keep these groups, correct them and add photos later: {keep}")
        return
    check_replaceable(out)
    new = not out.exists()
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AlbumError(f"cannot make the folder {text_of(out)}: {error.strerror}; name another with --out") from None
    try:
        with Album(out / "album.db", space, threshold) as album, photo_progress("finding faces", None) as step:
            added = album.add(folder, step)
            page, people = write_sheet(album, out), album.clusters()
    except KeyboardInterrupt:
        again = command_line("facespace cluster", str(folder), "--out", str(out))
        warn(f"stopped; the same command goes on from there: {again}")
        raise
    except FacespaceError:
        if new:
            # Nothing is left of a command that failed before it kept anything.
            with suppress(OSError):
                out.rmdir()
        raise
    if not json:
        _tell_added(folder, out, added)
    if json:
        print_json({"added": added, "clusters": people, "sheet": page, "album": out / "album.db"})
        return
    say(f"{added.faces} faces in {added.photos} photos ({added.known} known before); {len(people)} people: {page}")


@album_app.command("show")
def show_command(album: AlbumPath, model: ModelPath = None, json: AsJson = False) -> None:
    """Everybody in an album, with the faces to check first."""
    with _opened(album, model) as opened:
        clusters = opened.clusters()
    if json:
        print_json({"clusters": clusters})
        return
    table(f"{len(clusters)} people", ["person", "name", "faces", "cohesion", "check"], [_row(c) for c in clusters])


@album_app.command("questions")
def questions_command(
    album: AlbumPath,
    most: Annotated[int, typer.Option(min=1, help="How many to show.")] = 20,
    model: ModelPath = None,
    json: AsJson = False,
) -> None:
    """Pairs that may be the same person, those first whose answer settles most."""
    with _opened(album, model) as opened:
        found = opened.questions(most)
    if json:
        print_json({"questions": found})
        return
    rows = [
        [f"same {q.a} {q.b}", f"{q.clusters[0]}, {q.clusters[1]}", f"{q.probability:.0%}", f"{q.gain:.1f}"]
        for q in found
    ]
    table("", ["answer same or different", "clusters", "probability", "settles faces"], rows)


@album_app.command("merge")
def merge_command(
    album: AlbumPath, clusters: Annotated[list[int], typer.Argument(help="Clusters.")], model: ModelPath = None
) -> None:
    """These clusters are one person; the first keeps its number."""
    with _opened(album, model) as opened:
        _done(album, opened.merge(clusters))


@album_app.command("split")
def split_command(album: AlbumPath, faces: Numbers, model: ModelPath = None) -> None:
    """These faces of a cluster are one person, and the rest of it is not."""
    with _opened(album, model) as opened:
        _done(album, opened.split(faces))


@album_app.command("move")
def move_command(
    album: AlbumPath,
    faces: Numbers,
    to: Annotated[int, typer.Option(help="Number of the cluster they belong to.")],
    model: ModelPath = None,
) -> None:
    """These faces belong to another cluster."""
    with _opened(album, model) as opened:
        _done(album, opened.move(faces, to))


@album_app.command("name")
def name_command(album: AlbumPath, person: Person, name: str, model: ModelPath = None) -> None:
    """Give a cluster the name of its person; clusters of one name are one."""
    with _opened(album, model) as opened:
        _done(album, opened.name(person, name))


@album_app.command("same")
def same_command(album: AlbumPath, a: One, b: One, model: ModelPath = None) -> None:
    """These two faces are one person."""
    with _opened(album, model) as opened:
        _done(album, opened.same(a, b))


@album_app.command("different")
def different_command(album: AlbumPath, a: One, b: One, model: ModelPath = None) -> None:
    """These two faces are not one person."""
    with _opened(album, model) as opened:
        _done(album, opened.different(a, b))


@album_app.command("undo")
def undo_command(
    album: AlbumPath,
    decision: Annotated[int | None, typer.Argument(help="Number of the decision; the last where not given.")] = None,
    model: ModelPath = None,
) -> None:
    """Take a decision back."""
    with _opened(album, model) as opened:
        undone = opened.undo(decision)
    say(f"undone: decision {undone.id}, {undone.what}")


@album_app.command("history")
def history_command(album: AlbumPath, model: ModelPath = None, json: AsJson = False) -> None:
    """Everything that was decided, undone or not."""
    with _opened(album, model) as opened:
        decisions = opened.history()
    if json:
        print_json({"decisions": decisions})
        return
    table("", ["decision", "what", "made", "undone"], [[str(d.id), d.what, d.made, d.undone or ""] for d in decisions])


@album_app.command("recluster")
def recluster_command(album: AlbumPath, model: ModelPath = None) -> None:
    """Do all clusters anew, with everything that was ever said."""
    with _opened(album, model) as opened:
        opened.recluster()
        say(f"{len(opened.clusters())} people")


@album_app.command("know")
def know_command(
    album: AlbumPath,
    gallery: Annotated[Path, typer.Option("--gallery", "-g", help="The gallery to take names from.")],
    model: ModelPath = None,
) -> None:
    """Take the names and faces of a gallery as seeds."""
    from facespace.gallery import Gallery

    space = load(model)
    with Gallery(gallery, space, create=False) as people:
        known = {person.name: [face.embedding for face in people.faces(person.id)] for person in people.people()}
    with Album(album, space, create=False) as opened:
        opened.know(known)
        named = [c.name for c in opened.clusters() if c.name]
    say(f"{len(named)} of {len(known)} people of {gallery} are in {album}: {', '.join(named)}")


@album_app.command("missing")
def missing_command(
    album: AlbumPath,
    forget: Annotated[
        bool, typer.Option("--forget", help="Delete their faces, and what was said of them, for good.")
    ] = False,
    model: ModelPath = None,
    json: AsJson = False,
) -> None:
    """Photos of an album whose file is not there any more, or whose drive is not connected."""
    with _opened(album, model) as opened:
        photos = opened.missing()
        faces = opened.forget_missing() if forget else 0
    if json:
        print_json({"missing": photos, "forgotten_faces": faces})
        return
    for photo in photos:
        say(photo)
    say(f"{len(photos):,} photos are missing" + (f"; deleted their {faces:,} faces" if forget else ""))


@album_app.command("sheet")
def sheet_command(
    album: AlbumPath, out: Annotated[Path, typer.Argument(help="Folder to write.")], model: ModelPath = None
) -> None:
    """Write the contact sheet, table, JSON and links."""
    with _opened(album, model) as opened:
        say(str(write_sheet(opened, out)))


def _tell_added(folder: Path, out: Path, added: Added) -> None:
    warn_passed_over(folder, added.passed_over)
    for failure in added.failures:
        warn(f"left out {photo_name(failure.photo)}: {failure.reason}")
    if added.moved:
        old, new = added.moved[0]
        warn(f"{len(added.moved):,} photos lie elsewhere now and keep their faces: {old} is {new}" + _more(added.moved))
    if added.missing:
        command = command_line("facespace album missing", str(out / "album.db"))
        warn(
            f"{len(added.missing):,} photos of the album are not there any more: {added.missing[0]}"
            f"{_more(added.missing)}; {command} lists them, and with --forget deletes their faces"
        )


def _more(listed: Sequence[object]) -> str:
    return f", and {len(listed) - 1:,} more" if len(listed) > 1 else ""


def _row(found: AlbumCluster) -> list[str]:
    check = ", ".join(str(face.number) for face in found.doubtful[:5])
    return [str(found.number), found.name or "", str(len(found.faces)), f"{found.cohesion:.2f}", check]


def _opened(album: Path, model: Path | None) -> Album:
    """An album that is there: a mistyped path is an error, not an empty album."""
    return Album(album, load(model), create=False)


def _done(album: Path, decision: int) -> None:
    undo = command_line("facespace album undo", str(album), str(decision))
    say(f"decision {decision}; take it back with: {undo}")
