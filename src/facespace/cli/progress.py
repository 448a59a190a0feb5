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
def training_progress(steps: int) -> Iterator[Callable[[dict[str, float]], None]]:
    """A bar that tells loss, share of active triplets and time left; gives what is to be called each step."""
    columns = (
        TextColumn("training"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]:.3f}, active triplets {task.fields[active]:.0%}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=errors) as progress:
        task = progress.add_task("training", total=steps, loss=float("nan"), active=0.0)

        def step(record: dict[str, float]) -> None:
            progress.update(task, completed=record["step"], loss=record["loss"], active=record["active"])

        yield step
