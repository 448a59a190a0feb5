"""Prefetching in processes: correct batches, made in other processes, and none that are stale after `discard`."""

import os

import pytest
import torch

from facespace.train.data.loaders import Loaders


def test_each_step_gets_its_own_batch_from_another_process():
    with Loaders(lambda step: (step, os.getpid(), torch.full((2,), step)), 2, pin=False) as loaders:
        batches = [loaders.get(step, until=5) for step in range(5)]
    assert [batch[0] for batch in batches] == list(range(5))
    assert {batch[1] for batch in batches}.isdisjoint({os.getpid()})
    assert len({batch[1] for batch in batches}) == 2
    assert [batch[2].tolist() for batch in batches] == [[step, step] for step in range(5)]


def test_after_discard_batches_use_the_current_state():
    source = ["before"]
    with Loaders(lambda step: (step, source[0]), 1, pin=False) as loaders:
        assert loaders.get(3, until=9) == (3, "before")
        source[0] = "after"
        loaders.discard()
        assert loaders.get(4, until=9) == (4, "after")


def test_it_continues_past_the_limit_and_jumps_to_any_step():
    source = [0]
    with Loaders(lambda step: (step, source[0]), 1, pin=False) as loaders:
        assert loaders.get(0, until=2) == (0, 0)
        assert loaders.get(1, until=2) == (1, 0)
        source[0] = 1
        assert loaders.get(2, until=4) == (2, 1)
        assert loaders.get(7, until=9) == (7, 1)


def test_an_error_in_a_process_is_raised_by_get():
    def prepare(step):
        if step == 1:
            raise ValueError("no such batch")
        return step

    with Loaders(prepare, 1, pin=False) as loaders:
        assert loaders.get(0, until=3) == 0
        with pytest.raises(ValueError, match="no such batch"):
            loaders.get(1, until=3)
