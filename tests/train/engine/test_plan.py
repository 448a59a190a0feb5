"""The faces of a step with online, offline and mixed mining."""

import numpy as np
import pytest
import torch

from facespace.train.data.sampling import IdentityBatches
from facespace.train.engine.plan import Plan
from facespace.train.mining import PoolTriplets
from facespace.train.recipe import parse_recipe

LABELS = np.repeat(np.arange(30), 5)


def plan(**offline):
    recipe = parse_recipe(
        {
            "name": "plan", "seed": 2, "steps": 100, "data": {"train": "x"},
            "network": {"name": "small-cnn", "width": 32, "height": 32},
            "batch": {"people": 10, "photos": 3},
            "mining": {"offline": offline},
        },
        "of the test",
    )  # fmt: skip
    return Plan(recipe, IdentityBatches(LABELS, 10, 3, 2))


def mined(rows):
    anchor, positive, negative = torch.tensor(rows).T
    apart = torch.zeros(len(rows))
    return PoolTriplets(anchor, positive, negative, apart, apart)


ROWS = [[5 * person, 5 * person + 1, (5 * person + 7) % 150] for person in range(30)]


def test_without_a_pool_it_is_the_identity_balanced_batch():
    step = plan().step(4)
    assert np.array_equal(step.faces, IdentityBatches(LABELS, 10, 3, 2).batch(4))
    assert len(step.hard) == 0
    assert not plan().due(0)


@pytest.mark.parametrize(("share", "triplets"), [(1.0, 10), (0.5, 5), (0.25, 2)])
def test_the_share_of_hard_triplets_is_the_recipes(share, triplets):
    one = plan(every=20, pool=150, share=share)
    one.take(0, np.arange(150), mined(ROWS))
    step = one.step(0)
    assert len(step.hard) == triplets
    assert step.faces[step.hard].tolist() == ROWS[:triplets]
    assert len(np.unique(step.faces)) == len(step.faces) <= 30
    if share == 1:
        assert set(step.faces) == {face for row in ROWS[:10] for face in row}


def test_every_batch_beside_a_pool_has_the_same_size():
    # Photos that several triplets share, or that were drawn too, leave room for others.
    shared = [[0, 1, 5 * person] for person in range(1, 30)] + ROWS
    one = plan(every=20, pool=150, share=0.5)
    one.take(0, np.arange(150), mined(shared))
    steps = [one.step(number) for number in range(12)]
    assert {len(step.faces) for step in steps} == {30}
    assert all(len(np.unique(step.faces)) == 30 for step in steps)


def test_steps_go_through_the_mined_triplets_in_turn():
    one = plan(every=20, pool=150, share=0.5)
    one.take(40, np.arange(150), mined(ROWS))
    steps = [one.step(40 + number) for number in range(6)]
    assert [row for step in steps for row in step.faces[step.hard].tolist()] == ROWS


def test_the_share_moves_over_the_run():
    one = plan(every=20, pool=150, share=0.0, final_share=1.0)
    one.take(0, np.arange(150), mined(ROWS))
    assert [len(one.step(step).hard) for step in (0, 50, 99)] == [0, 5, 10]


def test_the_pool_is_searched_every_so_often_from_its_start():
    one = plan(every=20, pool=50, start=30)
    assert [step for step in range(90) if one.due(step)][:1] == [30]
    one.take(30, np.arange(150), mined(ROWS))
    assert not one.due(49)
    assert one.due(50)


@pytest.mark.parametrize("searched", [False, True])
def test_prefetching_stops_at_the_next_search_or_the_end(searched):
    one = plan(every=20, pool=50, start=30)
    if searched:
        one.take(30, np.arange(150), mined(ROWS))
    for step in range(30 if searched else 0, 100):
        due = [later for later in range(step + 1, 100) if one.due(later)]
        assert one.prefetch_limit(step) == min([*due, 100])
    assert plan().prefetch_limit(3) == 100


def test_pools_and_anchors_follow_from_the_seed_and_the_step():
    one, other = plan(every=20, pool=50), plan(every=20, pool=50)
    assert np.array_equal(one.pool(3, 150), other.pool(3, 150))
    assert not np.array_equal(one.pool(3, 150), one.pool(23, 150))
    assert len(np.unique(one.pool(3, 150))) == 50
    assert np.array_equal(one.anchors(3, 50), other.anchors(3, 50))
    assert len(one.pool(3, 20)) == 20


def test_positions_in_the_pool_become_positions_in_the_training_set():
    one = plan(every=20, pool=50, share=1.0)
    pool = np.arange(100, 150)
    one.take(0, pool, mined([[0, 1, 2], [5, 6, 49]]))
    assert one.mined.tolist() == [[100, 101, 102], [105, 106, 149]]
