"""Identity-balanced batches."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facespace.errors import DataError
from facespace.train.data.sampling import IdentityBatches

counts = st.lists(st.integers(1, 7), min_size=3, max_size=12).filter(lambda c: sum(n > 1 for n in c) > 1)


@given(counts=counts, people=st.integers(2, 6), photos=st.integers(2, 5), step=st.integers(0, 50))
def test_a_batch_holds_distinct_people_with_distinct_photos(counts, people, photos, step):
    labels = np.repeat(np.arange(len(counts)), counts)
    batches = IdentityBatches(labels, people, photos, seed=1)
    chosen = batches.batch(step)
    assert len(np.unique(chosen)) == len(chosen)
    drawn, sizes = np.unique(labels[chosen], return_counts=True)
    assert len(drawn) == min(people, sum(n > 1 for n in counts))
    assert all(size == min(photos, counts[person]) for person, size in zip(drawn, sizes, strict=True))
    assert all(counts[person] > 1 for person in drawn)


def test_all_people_are_drawn_equally_often():
    labels = np.repeat(np.arange(10), 5)
    batches = IdentityBatches(labels, people=4, photos=2, seed=3)
    drawn = np.concatenate([np.unique(labels[batches.batch(step)]) for step in range(50)])
    times = np.bincount(drawn, minlength=10)
    # Where two passes meet, a repeated person is replaced, so counts may differ by a few.
    assert times.sum() == 200
    assert times.min() >= 14


def test_a_batch_depends_on_seed_and_step_alone():
    labels = np.repeat(np.arange(10), 5)
    first, second = (IdentityBatches(labels, 4, 3, seed=5) for _ in range(2))
    for step in range(7):
        first.batch(step)
    assert (first.batch(3) == second.batch(3)).all()
    assert (first.batch(3) != IdentityBatches(labels, 4, 3, seed=6).batch(3)).any()


def test_people_with_one_photo_are_counted_and_never_drawn():
    batches = IdentityBatches([0, 0, 1, 2, 2], people=3, photos=2, seed=0)
    assert batches.single_photo_people == 1
    assert all(2 not in batches.batch(step) for step in range(20))


def test_too_few_people_with_two_photos_is_a_clear_error():
    with pytest.raises(DataError, match="only 1 people have two or more photos"):
        IdentityBatches([0, 0, 1, 2], people=2, photos=2, seed=0)


@given(alone=st.integers(1, 9), singles=st.integers(1, 12), people=st.integers(2, 4), step=st.integers(0, 40))
def test_singles_come_first_and_are_people_with_one_photo(alone, singles, people, step):
    labels = np.concatenate([np.repeat(np.arange(5), 3), 5 + np.arange(alone)])
    batches = IdentityBatches(labels, people, 2, seed=2, singles=singles)
    chosen = batches.batch(step)
    wanted = min(singles, alone)
    assert (labels[chosen[:wanted]] >= 5).all()
    assert (labels[chosen[wanted:]] < 5).all()
    assert len(chosen) == batches.size == wanted + 2 * people


def test_every_single_is_drawn_as_often_as_any_other():
    labels = np.concatenate([np.repeat(np.arange(4), 2), 4 + np.arange(7)])
    batches = IdentityBatches(labels, people=2, photos=2, seed=0, singles=3)
    drawn = np.concatenate([batches.batch(step)[:3] for step in range(7)])
    assert (np.bincount(labels[drawn], minlength=11)[4:] == 3).all()
