"""Progress of long commands: a bar in a terminal, lines in a log."""

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from facespace.cli.output import errors, warn

# Seconds between two lines of a log.
LOG_EVERY = 30.0


@contextmanager
def training_progress(steps: int, shown: bool = True) -> Iterator[Callable[[dict[str, float]], None]]:
    """Show the progress of training on standard error; yields a function to call with the record of each step.

    A terminal gets a bar. A file or a pipe gets a line after the first step, every half minute and after the last
    step. Nothing is printed before the first step, so an input error is the only output.
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
    """A bar with loss, share of active triplets and remaining time. It appears with the first step."""
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
    """Log lines with the step, loss, share of active triplets, seconds per step and remaining time."""
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
            # After a rollback to an earlier step, measure the pace from there.
            first = first if done > first[1] else (now, done)
            pace = (now - first[0]) / (done - first[1]) if done > first[1] else pace
        last = now
        left = timedelta(seconds=round((steps - done) * pace))
        _log_line(f"step {done:.0f} of {steps}: {_figures(record)}, {pace:.2g} s/step, {left} left")

    return step


def _figures(record: dict[str, float]) -> str:
    active = f", active triplets {record['active']:.0%}" if "active" in record else ""
    return f"loss {record['loss']:.3f}{active}"


@contextmanager
def photo_progress(what: str, total: int | None, unit: str = "photos") -> Iterator[Callable[[], None]]:
    """Show the progress of work on many photos (or people) on standard error; yields a function to call for each.

    A terminal gets a bar. A file or a pipe gets a line every half minute.
    """
    if not errors.is_terminal:
        log, done = _LogLines(what, unit), itertools.count(1)
        yield lambda: log.update(next(done), total)
        return
    known = total is not None
    columns = (
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn() if known else TextColumn("{task.completed:,.0f}"),
        TextColumn(f"{{task.fields[rate]:.1f}} {unit}/s"),
        TimeElapsedColumn(),
        *((TextColumn("left"), TimeRemainingColumn()) if known else ()),
    )
    with Progress(*columns, console=errors) as progress:
        task = progress.add_task(what, total=total, rate=0.0)

        def step() -> None:
            progress.update(task, advance=1, rate=progress.tasks[task].speed or 0.0)

        yield step


@contextmanager
def face_progress(total: int | None, failures: list[str]) -> Iterator[Callable[[dict[str, Any]], None]]:
    """As `photo_progress`, for rows of faces; yields a function to call with the row of each photo.

    A photo that could not be used is reported, and added to `failures`.
    """
    with photo_progress("finding faces", total) as step:

        def on_photo(row: dict[str, Any]) -> None:
            step()
            if "failure" in row:
                warn(f"left out: {row['failure']}")
                failures.append(row["photo"])

        yield on_photo


@contextmanager
def embedding_progress() -> Iterator[Callable[[int, int], None]]:
    """Show the progress of embedding on standard error; yields a function to call with the number done and the total.

    A terminal gets a bar, which is removed at the end. A file or a pipe gets a line every half minute.
    """
    if not errors.is_terminal:
        yield _LogLines("embedding", "photos").update
        return
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

        def step(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total, visible=True)

        yield step


class _LogLines:
    """Lines for a log: the number done, the rate and the remaining time, every half minute."""

    def __init__(self, what: str, unit: str):
        self._what, self._unit = what, unit
        self._started = self._last = time.monotonic()

    def update(self, done: int, total: int | None) -> None:
        now = time.monotonic()
        if now - self._last < LOG_EVERY:
            return
        self._last = now
        rate = done / (now - self._started)
        count = f"{done:,}" if total is None else f"{done:,} of {total:,}"
        left = "" if total is None else f", {timedelta(seconds=round((total - done) / rate))} left"
        _log_line(f"{self._what}: {count} {self._unit}, {rate:.1f} {self._unit}/s{left}")


def _log_line(line: str) -> None:
    errors.print(line, markup=False, highlight=False, soft_wrap=True)
