"""`facespace cluster --engine ray`: group the faces of more photos than one machine can process."""

from pathlib import Path
from typing import TYPE_CHECKING

from facespace.cli.output import echo, print_json, warn
from facespace.cli.progress import face_progress

if TYPE_CHECKING:
    from facespace.space import Space


def cluster_with_ray(
    source: str,
    out: Path,
    space: "Space",
    model: Path | None,
    threshold: float | None,
    workers: int | None,
    truncated: bool,
    json: bool,
) -> None:
    """Group the faces of `source` with Ray, show the progress and print what was found."""
    from facespace.album import cut_of
    from facespace.bulk.groups import group_with_ray
    from facespace.clustering import Cut

    cut = cut_of(space.card.require_decisions()) if threshold is None else Cut(threshold)
    failures: list[str] = []
    try:
        with face_progress(None, failures) as on_photo:
            found = group_with_ray(source, out, space, model, cut, workers, truncated, on_photo)
    except KeyboardInterrupt:
        warn("interrupted; run the same command to continue")
        raise
    if json:
        print_json({**vars(found), "failed": failures})
        return
    echo(f"{found.faces:,} faces; {found.people:,} people: {found.out}")
