"""Prefetching in a thread does not change the batches."""

import threading

import pytest

from facespace.train.data.prefetch import Ahead


def test_each_step_gets_its_own_batch_and_the_next_is_made_meanwhile():
    begun = {step: threading.Event() for step in range(4)}

    def prepare(step):
        begun[step].set()
        return f"batch {step}", threading.current_thread()

    with Ahead(prepare) as ahead:
        batch, thread = ahead.get(0, until=9)
        assert (batch, thread) == ("batch 0", threading.current_thread())
        assert begun[1].wait(5), "the next batch is prepared before it is requested"
        batch, thread = ahead.get(1, until=2)
        assert batch == "batch 1"
        assert thread is not threading.current_thread()
        assert not begun[2].is_set()
        assert ahead.get(2, until=3)[0] == "batch 2"


def test_after_going_back_nothing_begun_before_is_used():
    source = ["before"]
    with Ahead(lambda step: (step, source[0])) as ahead:
        ahead.get(7, until=9)
        source[0] = "after"
        ahead.forget()
        assert ahead.get(8, until=9) == (8, "after")


def test_another_step_than_the_one_begun_is_prepared_itself():
    with Ahead(lambda step: step) as ahead:
        ahead.get(7, until=9)
        assert ahead.get(3, until=9) == 3
        assert ahead.get(4, until=5) == 4


def test_what_fails_in_the_thread_fails_where_the_batch_is_asked_for():
    def prepare(step):
        if step == 1:
            raise ValueError("no such batch")
        return step

    with Ahead(prepare) as ahead:
        ahead.get(0, until=9)
        with pytest.raises(ValueError, match="no such batch"):
            ahead.get(1, until=9)
