"""Prefetching in a thread does not change the batches."""

import threading

import pytest

from facespace.train.data.prefetch import Prefetcher


def test_each_step_gets_its_batch_and_the_next_is_prefetched():
    begun = {step: threading.Event() for step in range(4)}

    def prepare(step):
        begun[step].set()
        return f"batch {step}", threading.current_thread()

    with Prefetcher(prepare) as prefetcher:
        batch, thread = prefetcher.get(0, until=9)
        assert (batch, thread) == ("batch 0", threading.current_thread())
        assert begun[1].wait(5), "the next batch is prepared before it is requested"
        batch, thread = prefetcher.get(1, until=2)
        assert batch == "batch 1"
        assert thread is not threading.current_thread()
        assert not begun[2].is_set()
        assert prefetcher.get(2, until=3)[0] == "batch 2"


def test_after_discard_no_stale_batch_is_used():
    source = ["before"]
    with Prefetcher(lambda step: (step, source[0])) as prefetcher:
        prefetcher.get(7, until=9)
        source[0] = "after"
        prefetcher.discard()
        assert prefetcher.get(8, until=9) == (8, "after")


def test_a_step_that_was_not_prefetched_is_prepared():
    with Prefetcher(lambda step: step) as prefetcher:
        prefetcher.get(7, until=9)
        assert prefetcher.get(3, until=9) == 3
        assert prefetcher.get(4, until=5) == 4


def test_an_error_in_the_thread_is_raised_by_get():
    def prepare(step):
        if step == 1:
            raise ValueError("no such batch")
        return step

    with Prefetcher(prepare) as prefetcher:
        prefetcher.get(0, until=9)
        with pytest.raises(ValueError, match="no such batch"):
            prefetcher.get(1, until=9)
