"""A process that is killed in the middle of anything: `faults.py` holds the worker and the judge."""

from faults import Model, torment


def test_killed_at_random_moments_nothing_acknowledged_is_lost_and_nothing_is_half_done(tmp_path):
    counts = torment(tmp_path, 5, seed=3)
    assert counts.kills == 5
    assert counts.acknowledged >= 5


def test_the_judge_would_notice():
    model = Model()
    for change in (("enrol", "A", 2), ("enrol", "B", 1), ("merge", "A", "B"), ("rename", "B", "C"), ("undo", "C")):
        model.apply(*change)
    assert model.people == {"A": 2, "C": 1}
    assert model.merges == []
