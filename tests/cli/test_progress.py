"""Progress of a training run: a bar in a terminal, lines in a log."""

import io

import pytest
from rich.console import Console

from facespace.cli import progress


@pytest.fixture
def output(monkeypatch):
    """Replace standard error and the clock: `output(terminal)` returns the text and a clock to move."""

    def start(terminal):
        text, now = io.StringIO(), [1000.0]
        monkeypatch.setattr(progress, "errors", Console(file=text, force_terminal=terminal, width=200))
        monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
        return text, now

    return start


def record(step):
    return {"step": step, "loss": 0.5, "active": 0.25, "seconds": 2.0}


def test_a_log_gets_a_line_at_the_start_every_half_minute_and_at_the_end(output):
    text, now = output(terminal=False)
    with progress.training_progress(100) as step:
        for done in range(1, 101):
            step(record(done))
            now[0] += 2
    lines = text.getvalue().splitlines()
    assert [line.split(":")[0] for line in lines] == [
        f"step {done} of 100" for done in (1, 16, 31, 46, 61, 76, 91, 100)
    ]
    assert lines[1] == "step 16 of 100: loss 0.500, active triplets 25%, 2 s/step, 0:02:48 left"
    assert lines[-1].endswith("0:00:00 left")


def test_a_loss_without_triplets_shows_no_share_of_active_triplets(output):
    text, _ = output(terminal=False)
    with progress.training_progress(1) as step:
        step({"step": 1, "loss": 0.5, "seconds": 1.0})
    assert "active" not in text.getvalue()


@pytest.mark.parametrize("terminal", [True, False])
def test_an_error_before_the_first_step_is_the_only_output(output, terminal):
    text, _ = output(terminal)
    with pytest.raises(ValueError, match="no data"), progress.training_progress(100):
        raise ValueError("no data")
    assert text.getvalue() == ""


def test_a_terminal_gets_a_bar_from_the_first_step(output):
    text, _ = output(terminal=True)
    with progress.training_progress(100) as step:
        step(record(50))
    assert "50/100" in text.getvalue()


def test_only_the_first_process_shows_progress(output):
    text, _ = output(terminal=False)
    with progress.training_progress(2, shown=False) as step:
        step(record(1))
    assert text.getvalue() == ""


@pytest.mark.parametrize("total", [100, None])
def test_a_log_of_photos_gets_a_line_every_half_minute(output, total):
    text, now = output(terminal=False)
    with progress.photo_progress("finding faces", total) as step:
        for _ in range(100):
            now[0] += 1
            step()
    left = ["0:01:10", "0:00:40", "0:00:10"]
    assert text.getvalue().splitlines() == [
        f"finding faces: {done} photos, 1.0 photos/s"
        if total is None
        else f"finding faces: {done} of 100 photos, 1.0 photos/s, {left[done // 30 - 1]} left"
        for done in (30, 60, 90)
    ]


def test_a_log_of_embedding_gets_a_line_every_half_minute(output):
    text, now = output(terminal=False)
    with progress.embedding_progress() as step:
        for done in (8, 16, 24):
            now[0] += 20
            step(done, 24)
    assert text.getvalue() == "embedding: 16 of 24 photos, 0.4 photos/s, 0:00:20 left\n"


def test_short_work_writes_nothing_to_a_log(output):
    text, now = output(terminal=False)
    with progress.photo_progress("enrolling", 3, "people") as step:
        for _ in range(3):
            now[0] += 5
            step()
    assert text.getvalue() == ""
