"""The commands `faces` and `prepare`: find the faces in photos, folders and videos."""

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facespace.cli.app import app
from facespace.cli.extras import extra
from facespace.cli.options import AsJson, EmbeddingModel, Provider, Threads, Truncated
from facespace.cli.output import echo, print_json, skipped_json, table, warn, warn_skipped
from facespace.cli.progress import face_progress, photo_progress
from facespace.errors import FacespaceError
from facespace.filenames import text_of

if TYPE_CHECKING:
    from facespace.faces import Finder
    from facespace.images import Skipped
    from facespace.space import Space


class Engine(StrEnum):
    """The engines that process many photos."""

    threads = "threads"
    ray = "ray"


Workers = Annotated[
    int | None, typer.Option(min=1, help="Threads that decode photos and detect faces. Default: one per core.")
]


@app.command("faces")
def faces_command(
    source: Annotated[
        str, typer.Argument(help="A photo, a folder of photos or a video; also s3://... with --engine ray.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="Write all faces to this .jsonl or .parquet file. An interrupted run can be resumed."),
    ] = None,
    crops: Annotated[
        Path | None, typer.Option(help="Folder for the aligned face crops, as the model sees them.")
    ] = None,
    draw: Annotated[
        Path | None, typer.Option(help="Write a copy of the photo with its faces drawn and numbered.")
    ] = None,
    every: Annotated[int, typer.Option(min=1, help="Use every Nth frame of a video.")] = 1,
    max_side: Annotated[
        int | None,
        typer.Option(min=32, help="Scale larger photos down to this many pixels. Faster, but misses small faces."),
    ] = None,
    truncated: Truncated = False,
    workers: Workers = None,
    engine: Annotated[Engine, typer.Option(help="Run in threads on this machine, or on Ray.")] = Engine.threads,
    model: EmbeddingModel = None,
    provider: Provider = None,
    threads: Threads = None,
    json: AsJson = False,
) -> None:
    """Find faces: boxes, landmarks, quality and embeddings.

    Embeddings need --model.
    """
    from facespace.bulk import harvest, sources_in
    from facespace.bulk.ray import harvest_with_ray

    if engine is Engine.ray:
        if out is None or draw is not None or crops is not None:
            raise FacespaceError("--engine ray needs --out and does not support --crops or --draw")
    elif out is None or draw is not None:
        if Path(source).is_dir() or crops is not None or out is not None:
            raise FacespaceError(
                "a folder, or --crops, needs --out FILE with a file that ends in .jsonl or .parquet; "
                "--draw takes one photo and no --out"
            )
        _show(Path(source), _finder(model, provider, threads, max_side, truncated), draw, json)
        return
    many = engine is Engine.threads and not Path(source).is_file()
    failures: list[str] = []
    skipped: list[Skipped] = []
    try:
        total = sum(1 for _ in sources_in(source, on_skipped=skipped.append)) if many else None
        with face_progress(total, failures) as on_photo:
            if engine is Engine.ray:
                done = harvest_with_ray(source, out, model, max_side, workers, on_photo, truncated)
            else:
                finder = _finder(model, provider, threads, max_side, truncated)
                done = harvest(sources_in(source, every), out, finder, crops, workers, on_photo)
    except KeyboardInterrupt:
        warn("interrupted; run the same command to continue")
        raise
    if json:
        print_json({"out": out, **vars(done), "failed": failures, **skipped_json(skipped)})
        return
    warn_skipped(Path(source), skipped)
    echo(
        f"{done.faces:,} faces in {done.photos:,} photos in {done.seconds:.0f} s "
        f"({done.photos / max(done.seconds, 1e-9):.1f} photos/s); {done.failures:,} photos could not be used"
        + (f"; {done.before:,} photos were done before" if done.before else "")
    )
    echo(str(out))


@app.command("prepare")
def prepare_command(
    folder: Annotated[Path, typer.Argument(help="A folder with one subfolder of photos per person.")],
    out: Annotated[Path, typer.Argument(help="The folder to write the training set to.")],
    model: EmbeddingModel = None,
    validation: Annotated[
        float, typer.Option(min=0, max=0.9, help="Share of people to hold out for validation.")
    ] = 0.1,
    min_faces: Annotated[int, typer.Option(min=1, help="Leave out people with fewer faces than this.")] = 2,
    seed: Annotated[int, typer.Option(help="Random seed for the split.")] = 0,
    truncated: Truncated = False,
    workers: Workers = None,
    provider: Provider = None,
    threads: Threads = None,
    json: AsJson = False,
) -> None:
    """Make a training set of aligned faces from a folder of people.

    With --model, photos that look like somebody else are left out, and in a photo with several faces the person's
    own face is chosen.
    """
    from facespace.bulk import sources_in
    from facespace.space import load

    with extra("report"):
        from facespace.bulk.prepare import prepare
    space = load(model, provider=provider, threads=threads, detector="aligned-128") if model else None
    total = sum(1 for _ in sources_in(folder))
    try:
        with photo_progress("preparing", total) as step:
            done = prepare(folder, out, space, validation, seed, min_faces, workers, lambda row: step(), truncated)
    except KeyboardInterrupt:
        warn("interrupted; run the same command to continue")
        raise
    if json:
        print_json(
            {
                "out": out,
                "people": done.people,
                "faces": done.faces,
                "left_out": done.left_out,
                "failed": done.failures,
                **skipped_json(done.skipped),
            }
        )
        return
    warn_skipped(folder, done.skipped)
    for split in ("train", "val"):
        echo(f"{split}: {done.faces[split]:,} faces of {done.people[split]:,} people")
    echo("left out: " + (", ".join(f"{count:,} ({reason})" for reason, count in done.left_out.items()) or "nothing"))
    echo(f"{len(done.failures):,} photos have no face or cannot be read; see {out / 'summary.html'}")


def _finder(
    model: Path | None, provider: str | None, threads: int | None, max_side: int | None, truncated: bool
) -> "Finder | Space":
    from facespace.faces import default_finder
    from facespace.space import load

    if model is None:
        return default_finder(max_side, truncated)
    space = load(model, provider=provider, threads=threads, truncated=truncated)
    space.finder = replace(space.finder, longest=max_side)
    return space


def _show(photo: Path, finder: "Finder | Space", draw: Path | None, json: bool) -> None:
    from facespace.bulk import describe
    from facespace.faces import draw_faces, scaled
    from facespace.images import write_image
    from facespace.space import Space

    found, row = describe(photo, finder)
    if draw is not None:
        # Draw at the size used for detection: a photo of 200 megapixels is scaled down.
        picture = (finder.finder if isinstance(finder, Space) else finder).decode(photo)
        write_image(draw, draw_faces(picture.pixels, [scaled(face, picture.scale) for face in found.faces]))
    if json:
        print_json(row)
        return
    rows = []
    for number, face in enumerate(found.faces, start=1):
        box = ", ".join(f"{edge:.0f}" for edge in face.box)
        judged = face.quality
        measures = (
            [
                f"{judged.value:.0%}",
                f"{judged.eye_distance:.0f}",
                f"{judged.yaw:.0f}, {judged.pitch:.0f}, {judged.roll:.0f}",
            ]
            if judged
            else ["", "", ""]
        )
        rows.append([str(number), box, f"{face.score:.3f}", *measures])
    echo(f"{len(rows)} faces in {text_of(photo)} ({found.width} x {found.height})")
    table("", ["face", "left, top, right, bottom", "score", "quality", "eye distance, px", "yaw, pitch, roll"], rows)
    if draw is not None:
        echo(str(draw))
