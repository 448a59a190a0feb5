"""The history stays readable after a crash."""

import pytest

from facespace.errors import DataError
from facespace.train.engine.history import History, read_history


def test_records_come_back_in_order(tmp_path):
    with History(tmp_path / "run" / "history.jsonl") as history:
        for step in (1, 2):
            history.add({"step": step, "loss": 0.5})
    assert read_history(tmp_path / "run" / "history.jsonl") == [{"step": 1, "loss": 0.5}, {"step": 2, "loss": 0.5}]


def test_records_after_a_checkpoint_are_truncated(tmp_path):
    with History(tmp_path / "history.jsonl") as history:
        history.add({"step": 1})
        size = history.size()
        history.add({"step": 2})
    with History(tmp_path / "history.jsonl") as history:
        history.cut(size)
        history.add({"step": 2, "again": True})
    assert read_history(tmp_path / "history.jsonl") == [{"step": 1}, {"step": 2, "again": True}]


def test_an_incomplete_last_line_is_ignored(tmp_path):
    path = tmp_path / "history.jsonl"
    path.write_bytes(b'{"step": 1}\n{"step": 2, "lo')
    assert read_history(path) == [{"step": 1}]


def test_two_processes_do_not_write_one_run(tmp_path):
    with History(tmp_path / "history.jsonl"), pytest.raises(DataError, match="another process is training in"):
        History(tmp_path / "history.jsonl")
    with History(tmp_path / "history.jsonl") as history:
        history.add({"step": 1})


def test_an_absent_history_is_a_clear_error(tmp_path):
    with pytest.raises(DataError, match="cannot read the history"):
        read_history(tmp_path / "history.jsonl")
