"""Write an album as a contact sheet (HTML), a table, JSON, and folders of links.

The output folder can be moved and opened offline. Faces are separate files that the browser loads as they scroll into
view, so a sheet of ten thousand works even on a phone.
"""

import csv
import html
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from facespace.album.album import Album
from facespace.album.records import AlbumCluster, AlbumFace, MaybeSame
from facespace.errors import AlbumError
from facespace.images import is_output, mark_as_output, path_of, printable, text_of

# Pairs of clusters under 'Maybe the same person'.
_QUESTIONS = 20

# Faces per cluster on the page before 'more'.
_AT_FIRST = 24

_THUMBNAILS_AT_A_TIME = 500


def write_sheet(album: Album, folder: str | os.PathLike[str]) -> Path:
    """Write an album's contents: index.html with faces/, clusters.csv, clusters.json, and people/ with links.

    Parameters
    ----------
    album : Album
    folder : path
        Created if needed; the output of an earlier call is replaced.

    Returns
    -------
    Path
        The path of index.html.

    Raises
    ------
    AlbumError
        The folder cannot be written, or it holds other files that would be replaced.
    """
    root = Path(folder)
    check_replaceable(root)
    clusters, maybe = album.clusters(), album.questions(_QUESTIONS)
    try:
        root.mkdir(parents=True, exist_ok=True)
        _write_faces(album, clusters, root / "faces")
        _write_links(clusters, root / "people")
        _write_table(clusters, root / "clusters.csv")
        (root / "clusters.json").write_text(json.dumps(_as_json(clusters, maybe), ensure_ascii=False), "utf-8")
        page = root / "index.html"
        page.write_text("".join(_page(clusters, maybe)), "utf-8")
    except OSError as error:
        raise AlbumError(
            f"cannot write the sheet into {text_of(root)}: {error.strerror}; check the free space and the permissions"
        ) from None
    return page


def check_replaceable(folder: str | os.PathLike[str]) -> None:
    """Check that faces/ and people/ in a folder, which a sheet replaces, do not hold somebody's own files.

    Raises
    ------
    AlbumError
        One of them does.
    """
    for name in ("faces", "people"):
        own = Path(folder) / name
        if own.is_dir() and any(own.iterdir()) and not is_output(own):
            raise AlbumError(
                f"{text_of(own)} would be replaced, but facespace did not write its files; name another folder, "
                "or move it away first"
            )


def folder_name(cluster: AlbumCluster) -> str:
    """A folder name for a cluster that is valid on every file system."""
    name = "".join(letter if letter.isalnum() or letter in " -_" else "_" for letter in cluster.name or "")
    return f"{cluster.number:05d} {name.strip()}".strip()[:100]


def _write_faces(album: Album, clusters: Sequence[AlbumCluster], folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    mark_as_output(folder)
    numbers = [face.number for cluster in clusters for face in cluster.faces]
    for start in range(0, len(numbers), _THUMBNAILS_AT_A_TIME):
        some = numbers[start : start + _THUMBNAILS_AT_A_TIME]
        for number, content in zip(some, album.thumbnails(some), strict=True):
            if content:
                (folder / f"{number}.webp").write_bytes(content)


def _write_links(clusters: Sequence[AlbumCluster], folder: Path) -> None:
    """Make a folder per person with links to their photos; if links are not supported, a list of paths."""
    shutil.rmtree(folder, ignore_errors=True)
    mark_as_output(folder)
    for cluster in clusters:
        own = folder / folder_name(cluster)
        own.mkdir(parents=True)
        try:
            for face in cluster.faces:
                photo = Path(path_of(face.photo))
                if photo.is_file():
                    (own / f"{face.number} {photo.name}").symlink_to(photo)
        except (OSError, NotImplementedError):
            (own / "photos.txt").write_text("".join(f"{face.photo}\n" for face in cluster.faces), "utf-8")


def _write_table(clusters: Sequence[AlbumCluster], path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["cluster", "name", "face", "photo", "left", "top", "right", "bottom", "membership"])
        for cluster in clusters:
            for face in cluster.faces:
                box = [f"{edge:.1f}" for edge in face.box]
                table.writerow(
                    [cluster.number, cluster.name or "", face.number, face.photo, *box, f"{face.membership:.4f}"]
                )


def _as_json(clusters: Sequence[AlbumCluster], maybe: Sequence[MaybeSame]) -> dict[str, object]:
    return {
        "clusters": [
            {
                "number": cluster.number,
                "name": cluster.name,
                "cohesion": cluster.cohesion,
                "faces": [vars(face) for face in cluster.faces],
            }
            for cluster in clusters
        ],
        "maybe_same": [vars(pair) for pair in maybe],
    }


def _page(clusters: Sequence[AlbumCluster], maybe: Sequence[MaybeSame]) -> Iterator[str]:
    several = [cluster for cluster in clusters if len(cluster.faces) > 1]
    alone = [cluster for cluster in clusters if len(cluster.faces) == 1]
    faces = sum(len(cluster.faces) for cluster in clusters)
    yield _HEAD
    yield f"<h1>{faces:,} faces, {len(several):,} people seen more than once, {len(alone):,} seen once</h1>\n"
    if maybe:
        yield f'<details class="ask"><summary>Maybe the same person: {len(maybe)} pairs</summary>\n'
        for pair in maybe:
            yield (
                f"<p>{_image(pair.a)}{_image(pair.b)}<span>{pair.probability:.0%} "
                f"<code>same {pair.a} {pair.b}</code> or <code>different {pair.a} {pair.b}</code></span></p>\n"
            )
        yield "</details>\n"
    for cluster in several:
        yield from _section(cluster)
    if alone:
        yield f"<section><h2>Seen once <small>{len(alone):,}</small></h2>\n"
        yield from _grid([cluster.faces[0] for cluster in alone])
        yield "</section>\n"
    yield "</main></body></html>\n"


def _section(cluster: AlbumCluster) -> Iterator[str]:
    name = html.escape(printable(cluster.name)) if cluster.name else f"Person {cluster.number}"
    doubtful = len(cluster.doubtful)
    check = f", {doubtful} to check" if doubtful else ""
    yield (
        f'<section id="c{cluster.number}"><h2>{name} <small>no. {cluster.number}, {len(cluster.faces):,} faces, '
        f"cohesion {cluster.cohesion:.2f}{check}</small></h2>\n"
    )
    yield from _grid(cluster.faces)
    yield "</section>\n"


def _grid(faces: Sequence[AlbumFace]) -> Iterator[str]:
    yield '<div class="grid">'
    for face in faces[:_AT_FIRST]:
        yield _figure(face)
    yield "</div>\n"
    if len(faces) > _AT_FIRST:
        yield f'<details><summary>{len(faces) - _AT_FIRST:,} more</summary><div class="grid">'
        for face in faces[_AT_FIRST:]:
            yield _figure(face)
        yield "</div></details>\n"


def _figure(face: AlbumFace) -> str:
    doubt = ' class="doubt"' if face.membership < 0.5 else ""
    title = html.escape(
        f"face {face.number}, {printable(Path(face.photo).name)}, belongs here: {face.membership:.0%}", quote=True
    )
    photo = Path(path_of(face.photo))
    link = f' href="{html.escape(photo.as_uri(), quote=True)}"' if photo.is_absolute() and photo.is_file() else ""
    return f'<a{link} title="{title}"{doubt}>{_image(face.number)}<i>{face.number}</i></a>'


def _image(number: int) -> str:
    return f'<img loading="lazy" decoding="async" width="96" height="96" alt="face {number}" src="faces/{number}.webp">'


_HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>People in these photos</title>
<style>
:root { color-scheme: light dark; --line: #8884; --doubt: #d60; }
body { font: 15px/1.4 system-ui, sans-serif; margin: 0; }
main { max-width: 1100px; margin: 0 auto; padding: 12px; }
h1 { font-size: 1.2rem; } h2 { font-size: 1.05rem; margin: 18px 0 6px; }
small { font-weight: normal; opacity: .7; }
section { border-top: 1px solid var(--line); content-visibility: auto; contain-intrinsic-size: auto 180px; }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(84px, 1fr)); gap: 6px; }
.grid a { position: relative; display: block; aspect-ratio: 1; border-radius: 6px; overflow: hidden;
  background: #8882; }
img { object-fit: cover; } .grid img { width: 100%; height: 100%; display: block; }
i { position: absolute; left: 0; bottom: 0; font: 10px system-ui; padding: 1px 4px; background: #000a; color: #fff; }
.doubt { outline: 3px solid var(--doubt); outline-offset: -3px; }
summary { cursor: pointer; padding: 8px 0; }
.ask p { display: flex; flex-wrap: wrap; gap: 8px; align-items: center; margin: 6px 0; }
</style></head><body><main>
"""
