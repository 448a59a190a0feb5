"""Progress of long work in the terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from facespace.cli.output import errors


@contextmanager
def training_progress(
    steps: int, shown: bool = True, triplets: bool = True
) -> Iterator[Callable[[dict[str, float]], None]]:
    """A bar that tells loss, share of active triplets if wanted and time left; gives what is to be called each step."""
    columns = (
        TextColumn("training"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(
            "loss {task.fields[loss]:.3f}" + (", active triplets {task.fields[active]:.0%}" if triplets else "")
        ),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=errors, disable=not shown) as progress:
        task = progress.add_task("training", total=steps, loss=float("nan"), active=0.0)

        def step(record: dict[str, float]) -> None:
            progress.update(task, completed=record["step"], loss=record["loss"], active=record.get("active", 0.0))

        yield step


@contextmanager
def photo_progress(what: str, total: int | None) -> Iterator[Callable[[], None]]:
    """A bar that tells photos done, photos a second and time left; gives what is to be called for each photo."""
    columns = (
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]:.1f} photos/s"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=errors) as progress:
        task = progress.add_task(what, total=total, rate=0.0)

        def step() -> None:
            progress.update(task, advance=1, rate=progress.tasks[task].speed or 0.0)

        yield step


@contextmanager
def embedding_progress() -> Iterator[Callable[[int, int], None]]:
    """A bar of photos embedded; gives what is to be told photos done and in all. Gone when done."""
    columns = (
        TextColumn("embedding"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=errors, transient=True) as progress:
        task = progress.add_task("embedding", total=None, visible=False)

        def told(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total, visible=True)

        yield told
