"""Kill a process during random changes: `faults.py` has the worker and the checker."""

from faults import Model, torment


def test_after_kill_nothing_acknowledged_is_lost_and_no_change_is_partial(tmp_path):
    counts = torment(tmp_path, 5, seed=3)
    assert counts.kills == 5
    assert counts.acknowledged >= 5


def test_the_checker_detects_a_lost_change():
    model = Model()
    for change in (("enrol", "A", 2), ("enrol", "B", 1), ("merge", "A", "B"), ("rename", "B", "C"), ("undo", "C")):
        model.apply(*change)
    assert model.people == {"A": 2, "C": 1}
    assert model.merges == []
