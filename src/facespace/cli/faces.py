"""Faces of photos, folders and videos: faces, prepare."""

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from facespace.bulk import describe, harvest, sources_in
from facespace.bulk.ray import harvest_with_ray
from facespace.cli.app import app
from facespace.cli.extras import extra
from facespace.cli.options import AsJson, ModelPath, Provider, Threads, Truncated
from facespace.cli.output import print_json, say, table, warn, warn_passed_over
from facespace.cli.progress import photo_progress
from facespace.errors import FacespaceError
from facespace.faces import Finder, default_finder, draw_faces, scaled
from facespace.images import PassedOver, text_of, write_image
from facespace.space import Space, load


class Engine(StrEnum):
    """What the work runs on."""

    threads = "threads"
    ray = "ray"


Workers = Annotated[int | None, typer.Option(min=1, help="Threads that decode and detect; one a core where not given.")]


@app.command("faces")
def faces_command(
    source: Annotated[str, typer.Argument(help="A photo, a folder of photos, a video; s3://... with --engine ray.")],
    out: Annotated[Path | None, typer.Option(help="Write all faces here: .jsonl or .parquet; can be resumed.")] = None,
    crops: Annotated[Path | None, typer.Option(help="Folder for the faces as the network sees them.")] = None,
    draw: Annotated[Path | None, typer.Option(help="Draw the faces of one photo into this picture.")] = None,
    every: Annotated[int, typer.Option(min=1, help="Of a video, take every so-many-th frame.")] = 1,
    longest: Annotated[
        int | None, typer.Option(min=32, help="Scale larger photos down to this side: faster, loses small faces.")
    ] = None,
    truncated: Truncated = False,
    workers: Workers = None,
    engine: Annotated[Engine, typer.Option(help="Threads of this machine, or Ray.")] = Engine.threads,
    model: ModelPath = None,
    provider: Provider = None,
    threads: Threads = None,
    json: AsJson = False,
) -> None:
    """Find the faces of photos: where they are, how good they are and, with a model, their embeddings."""
    if engine is Engine.ray:
        if out is None or draw is not None or crops is not None:
            raise FacespaceError("--engine ray writes --out, and neither --crops nor --draw")
    elif out is None or draw is not None:
        if Path(source).is_dir() or crops is not None or out is not None:
            raise FacespaceError(
                "many photos, or --crops, need --out: a file that ends in .jsonl or .parquet; "
                "--draw takes one photo and no --out"
            )
        _show(Path(source), _finder(model, provider, threads, longest, truncated), draw, json)
        return
    many = engine is Engine.threads and not Path(source).is_file()
    failures: list[str] = []
    passed: list[PassedOver] = []
    try:
        total = sum(1 for _ in sources_in(source, on_passed=passed.append)) if many else None
        with photo_progress("finding faces", total) as step:

            def on_photo(row: dict[str, str]) -> None:
                step()
                if "failure" in row:
                    warn(f"left out: {row['failure']}")
                    failures.append(row["photo"])

            if engine is Engine.ray:
                done = harvest_with_ray(source, out, model, longest, workers, on_photo, truncated)
            else:
                finder = _finder(model, provider, threads, longest, truncated)
                done = harvest(sources_in(source, every), out, finder, crops, workers, on_photo)
    except KeyboardInterrupt:
        warn("stopped; the same command goes on from here")
        raise
    if json:
        print_json({"out": out, **vars(done), "failed": failures, "passed_over": passed})
        return
    warn_passed_over(Path(source), passed)
    say(
        f"{done.faces:,} faces in {done.photos:,} photos in {done.seconds:.0f} s "
        f"({done.photos / max(done.seconds, 1e-9):.1f} photos/s); {done.failures:,} photos could not be used"
        + (f"; {done.before:,} photos were done before" if done.before else "")
    )
    say(str(out))


@app.command("prepare")
def prepare_command(
    folder: Annotated[Path, typer.Argument(help="A folder of people, PERSON/photo.jpg.")],
    out: Annotated[Path, typer.Argument(help="Folder for the training set.")],
    model: ModelPath = None,
    validation: Annotated[float, typer.Option(min=0, max=0.9, help="Share of the people set aside.")] = 0.1,
    at_least: Annotated[int, typer.Option(min=1, help="Leave out people with fewer faces.")] = 2,
    seed: Annotated[int, typer.Option(help="Of who is set aside.")] = 0,
    truncated: Truncated = False,
    workers: Workers = None,
    provider: Provider = None,
    threads: Threads = None,
    json: AsJson = False,
) -> None:
    """Turn a folder of people's photos into a training set of aligned faces.

    With a model, photos that look like somebody else are left out, and of several faces in a photo the person's is
    taken.
    """
    with extra("report"):
        from facespace.bulk.prepare import prepare
    space = load(model, provider=provider, threads=threads, detector="aligned-128") if model else None
    total = sum(1 for _ in sources_in(folder))
    try:
        with photo_progress("preparing", total) as step:
            done = prepare(folder, out, space, validation, seed, at_least, workers, lambda row: step(), truncated)
    except KeyboardInterrupt:
        warn("stopped; the same command goes on from here")
        raise
    if json:
        print_json(
            {
                "out": out,
                "people": done.people,
                "faces": done.faces,
                "left_out": done.left_out,
                "failed": done.failures,
                "passed_over": done.passed_over,
            }
        )
        return
    warn_passed_over(folder, done.passed_over)
    for split in ("train", "val"):
        say(f"{split}: {done.faces[split]:,} faces of {done.people[split]:,} people")
    say("left out: " + (", ".join(f"{count:,} ({reason})" for reason, count in done.left_out.items()) or "nothing"))
    say(f"{len(done.failures):,} photos show no face or cannot be used; {out / 'summary.html'}")


def _finder(
    model: Path | None, provider: str | None, threads: int | None, longest: int | None, truncated: bool
) -> Finder | Space:
    if model is None:
        return default_finder(longest, truncated)
    space = load(model, provider=provider, threads=threads, truncated=truncated)
    space.finder = replace(space.finder, longest=longest)
    return space


def _show(photo: Path, finder: Finder | Space, draw: Path | None, json: bool) -> None:
    found, row = describe(photo, finder)
    if draw is not None:
        # No larger than the faces were looked for: a photo of 200 megapixels is drawn smaller.
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
    say(f"{len(rows)} faces in {text_of(photo)} ({found.width} x {found.height})")
    table("", ["face", "left, top, right, bottom", "score", "quality", "eyes apart, pixels", "yaw, pitch, roll"], rows)
    if draw is not None:
        say(str(draw))
