"""Rolling back a run that failed."""

import pytest
import torch

from facespace.errors import DataError
from facespace.train.engine.checkpoint import Checkpoint, checkpoints_in, save_checkpoint
from facespace.train.engine.rollback import drop_after, rollback_target


@pytest.fixture
def folder(tmp_path):
    for step in (0, 10, 20):
        empty = {"state": {}, "param_groups": []}
        mined = torch.empty((0, 3), dtype=torch.int64)
        save_checkpoint(tmp_path, Checkpoint(step, {}, {}, {}, empty, mined, {}), keep=5)
    return tmp_path


def test_a_run_rolls_back_to_its_last_checkpoint_and_then_to_an_earlier_one(folder):
    assert rollback_target(folder, None).step == 20
    assert rollback_target(folder, 20).step == 10
    # A checkpoint that was deleted meanwhile is ignored.
    assert rollback_target(folder, 30).step == 20


def test_the_only_checkpoint_is_used_again(folder):
    drop_after(folder, 0)
    assert rollback_target(folder, 0).step == 0


def test_later_checkpoints_are_deleted(folder):
    drop_after(folder, 10)
    assert [path.name for path in checkpoints_in(folder)] == ["step-00000000", "step-00000010"]


def test_a_damaged_checkpoint_is_an_error(folder):
    (folder / "step-00000020" / "state.json").write_text("{")
    with pytest.raises(DataError, match="damaged"):
        rollback_target(folder, None)
