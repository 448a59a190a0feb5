"""Progress of long work in the terminal."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from facespace.cli.output import errors

# Seconds between two lines of a training's log.
LOG_EVERY = 30.0


@contextmanager
def training_progress(steps: int, shown: bool = True) -> Iterator[Callable[[dict[str, float]], None]]:
    """Progress of a training run on standard error; gives what is to be called with the record of each step.

    A bar in a terminal; elsewhere (a file, a pipe, a service's log) a line after the first step, every half minute
    and after the last step. Nothing is printed before the first step, so that an error on input stands alone.
    """
    if not shown:
        yield lambda record: None
    elif errors.is_terminal:
        with _bar(steps) as step:
            yield step
    else:
        yield _log(steps)


@contextmanager
def _bar(steps: int) -> Iterator[Callable[[dict[str, float]], None]]:
    """A bar that tells loss, share of active triplets and time left; it appears with the first step."""
    columns = (
        TextColumn("training"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[figures]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    progress = Progress(*columns, console=errors)
    task = progress.add_task("training", total=steps, figures="")

    def step(record: dict[str, float]) -> None:
        progress.start()
        progress.update(task, completed=record["step"], figures=_figures(record))

    try:
        yield step
    finally:
        progress.stop()


def _log(steps: int) -> Callable[[dict[str, float]], None]:
    """Lines for a log: how far, loss, share of active triplets, seconds a step, time left."""
    first: tuple[float, float] | None = None
    last = 0.0

    def step(record: dict[str, float]) -> None:
        nonlocal first, last
        now, done = time.monotonic(), record["step"]
        pace = record["seconds"]
        if first is None:
            first = (now, done)
        else:
            if done < steps and now - last < LOG_EVERY:
                return
            # A run that went back to an earlier step starts counting again.
            first = first if done > first[1] else (now, done)
            pace = (now - first[0]) / (done - first[1]) if done > first[1] else pace
        last = now
        left = timedelta(seconds=round((steps - done) * pace))
        errors.print(
            f"step {done:.0f} of {steps}: {_figures(record)}, {pace:.2g} s a step, {left} left",
            markup=False, highlight=False, soft_wrap=True,
        )  # fmt: skip

    return step


def _figures(record: dict[str, float]) -> str:
    active = f", active triplets {record['active']:.0%}" if "active" in record else ""
    return f"loss {record['loss']:.3f}{active}"


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
