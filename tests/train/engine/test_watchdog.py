"""The watchdog: it detects real collapse only, and a run made to collapse still finishes well."""

import math

import numpy as np
import pytest
import torch

from facespace.errors import DataError
from facespace.train.engine.loop import train
from facespace.train.engine.updates import Updates
from facespace.train.engine.watchdog import LARGEST_RAISE, LARGEST_UPDATE, SOUND_UPDATE, Watchdog, spread_of
from facespace.train.recipe import WatchdogSection, parse_recipe

MARGIN = 0.2


def record(step, **changes):
    healthy = {
        "step": step, "loss": 0.1, "gradient_norm": 1.0, "active": 0.6,
        "positive_distance": 0.4, "negative_distance": 1.2,
    }  # fmt: skip
    return {**healthy, **changes}


def first_failure(records):
    watchdog = Watchdog(WatchdogSection(window=5), MARGIN)
    for number, one in enumerate(records, start=1):
        why = watchdog.failure(one)
        if why is not None:
            return number, why
    return None


def test_a_healthy_run_has_no_failure():
    assert first_failure(record(step) for step in range(1, 300)) is None


def test_a_collapse_is_detected_within_a_window():
    healthy = [record(step) for step in range(1, 51)]
    collapsed = [record(step, negative_distance=1e-4, positive_distance=1e-4) for step in range(51, 70)]
    number, why = first_failure(healthy + collapsed)
    assert 51 <= number <= 56
    assert "collapsed: the mean squared distance between people is 1.0e-04" in why


def test_a_loss_without_a_margin_may_shrink_its_distances_but_not_to_nothing():
    watchdog = Watchdog(WatchdogSection(window=5), None)
    assert all(watchdog.failure(record(step, negative_distance=0.01, active=1.0)) is None for step in range(1, 60))
    assert any(watchdog.failure(record(step, negative_distance=1e-4)) for step in range(60, 70))


def test_embeddings_that_start_close_together_are_not_a_collapse():
    # An untrained network may map all faces close together; training then spreads them.
    steps = [
        record(step, negative_distance=0.004 * 1.2**step, positive_distance=0.003, active=1.0) for step in range(30)
    ]
    assert first_failure(steps) is None


def test_a_loss_stuck_at_the_margin_is_detected_after_the_grace_period():
    pinned = [record(step, active=1.0, positive_distance=0.1, negative_distance=0.1001) for step in range(1, 60)]
    number, why = first_failure(pinned)
    assert number == 25
    assert "stuck at the margin" in why


@pytest.mark.parametrize("key", ["loss", "gradient_norm", "negative_distance"])
def test_a_value_that_is_not_finite_is_detected_at_once(key):
    assert first_failure([record(1), record(2, **{key: math.nan})])[0] == 2


def test_the_effective_rank_counts_directions():
    rng = np.random.default_rng(0)
    on_a_line = torch.from_numpy(np.outer(rng.normal(size=200), np.ones(16) / 4).astype("f4"))
    everywhere = torch.nn.functional.normalize(torch.from_numpy(rng.normal(size=(4000, 16)).astype("f4")))
    assert spread_of(on_a_line, torch.arange(200))["rank"] == pytest.approx(1, abs=0.01)
    assert spread_of(everywhere, torch.arange(4000))["rank"] == pytest.approx(16, abs=0.3)


def test_each_rollback_lowers_rate_and_hardness_and_checkpoints_keep_it():
    watchdog = Watchdog(WatchdogSection(max_rollbacks=2, backoff=0.5), MARGIN)
    assert watchdog.can_roll_back
    watchdog.roll_back(10, 0, "why")
    watchdog.roll_back(60, 0, "why")
    assert (watchdog.rate_scale, watchdog.hardness_scale) == (0.25, 0.25)
    assert not watchdog.can_roll_back
    other = Watchdog(WatchdogSection(max_rollbacks=2), MARGIN)
    other.restore(watchdog.state())
    assert (other.rate_scale, other.rollbacks) == (0.25, watchdog.rollbacks)
    assert "step 60 to 0, rate x 0.25" in watchdog.diagnosis("it collapsed")


def test_a_rollback_that_led_nowhere_is_followed_by_a_larger_one():
    watchdog = Watchdog(WatchdogSection(window=5, backoff=0.5), MARGIN)
    for _ in range(3):
        watchdog.roll_back(10, 0, "why")
    assert [rollback.rate_scale for rollback in watchdog.rollbacks] == [1 / 2, 1 / 8, 1 / 64]
    # It got well beyond where it failed: the next failure is one of its own.
    watchdog.roll_back(100, 90, "why")
    assert watchdog.rollbacks[-1].rate_scale == 1 / 128


def test_steps_that_are_too_large_are_seen_early_and_brought_down_at_once():
    watchdog = Watchdog(WatchdogSection(window=5, backoff=0.5), MARGIN)
    found = [watchdog.failure(record(step, update=4.0)) for step in range(1, 11)]
    assert found[:9] == [None] * 9
    assert "400% of their norm" in found[9]
    assert watchdog.roll_back(10, 0, found[9]).rate_scale == pytest.approx(0.5 * LARGEST_UPDATE / 4.0)
    healthy = Watchdog(WatchdogSection(window=5), MARGIN)
    assert all(healthy.failure(record(step, update=LARGEST_UPDATE)) is None for step in range(1, 60))


def slow(step, **changes):
    return record(step, **{"positive_distance": 1.9, "negative_distance": 2.0, "update": 0.001, **changes})


def failures(watchdog, steps, make):
    found = {}
    for step in steps:
        why = watchdog.failure(make(step))
        if why is not None:
            found[step] = why
            watchdog.roll_back(step, step - 1, why)
    return found


def test_a_run_that_learns_next_to_nothing_is_given_larger_steps_and_the_easiest_triplets_twice_at_most():
    watchdog = Watchdog(WatchdogSection(), MARGIN, steps=100)
    found = failures(watchdog, range(1, 101), slow)
    assert list(found) == [20, 40]
    assert "only 5.0% farther apart" in found[20]
    first = watchdog.rollbacks[0]
    assert first.rate_scale == pytest.approx(SOUND_UPDATE / 0.001)
    assert first.hardness_scale == 0
    # Not twice for one step: the run passes it again after the rollback.
    assert failures(watchdog, range(15, 45), slow) == {}


def test_large_steps_of_a_slow_run_stay_and_tiny_ones_grow_within_bounds():
    for update, scale in ((0.05, 1.0), (1e-6, LARGEST_RAISE)):
        watchdog = Watchdog(WatchdogSection(), MARGIN, steps=100)
        failures(watchdog, range(1, 21), lambda step, update=update: slow(step, update=update))
        assert watchdog.rate_scale == pytest.approx(scale)


def test_slowness_never_ends_a_run_and_is_no_question_where_it_cannot_be_measured():
    spent = Watchdog(WatchdogSection(max_rollbacks=0), MARGIN, steps=100)
    no_margin = Watchdog(WatchdogSection(), None, steps=100)
    pool = Watchdog(WatchdogSection(), MARGIN, steps=100)
    learning = Watchdog(WatchdogSection(), MARGIN, steps=100)
    for step in range(1, 101):
        assert spent.failure(slow(step)) is None
        assert no_margin.failure(slow(step)) is None
        assert pool.failure(slow(step, mined=20)) is None
        assert learning.failure(slow(step, positive_distance=2.0 * 0.89)) is None


def test_a_weight_that_is_not_finite_is_seen():
    watchdog = Watchdog(WatchdogSection(), MARGIN)
    assert "no longer finite at step 1" in watchdog.failure(record(1, update=math.nan))


def test_a_short_run_is_seen_to_fail_before_it_ends():
    watchdog = Watchdog(WatchdogSection(), MARGIN, steps=47)
    pinned = [record(step, active=1.0, positive_distance=0.1, negative_distance=0.1001) for step in range(1, 48)]
    failures = [watchdog.failure(one) for one in pinned]
    assert failures.index(next(why for why in failures if why)) < 30
    assert Watchdog(WatchdogSection(), MARGIN, steps=4000).window == WatchdogSection().window


def test_a_run_that_ends_untaught_says_so_whatever_the_grace():
    watchdog = Watchdog(WatchdogSection(), MARGIN, steps=1000)
    for step in range(1, 12):
        assert watchdog.failure(record(step, positive_distance=1.95, negative_distance=2.0)) is None
    assert "only 2.5% farther" in watchdog.verdict()
    taught = Watchdog(WatchdogSection(), MARGIN, steps=1000)
    taught.failure(record(1))
    assert taught.verdict() is None


@pytest.mark.parametrize(("apart", "useless"), [(0.014, True), (0.09, True), (0.11, False)])
def test_a_run_that_ends_with_people_less_than_half_a_margin_apart_says_so(apart, useless):
    watchdog = Watchdog(WatchdogSection(), 0.2, steps=1000)
    # Not little enough to roll back to an earlier step.
    for step in range(1, 12):
        spread = apart if step > 5 else 0.2
        assert watchdog.failure(record(step, positive_distance=0.8 * apart, negative_distance=spread)) is None
    assert ("the space has collapsed" in (watchdog.verdict() or "")) == useless


def test_batches_of_hard_triplets_are_not_taken_for_an_untaught_network():
    watchdog = Watchdog(WatchdogSection(window=5), MARGIN)
    for step in range(1, 60):
        assert watchdog.failure(record(step, positive_distance=0.9, negative_distance=0.8, mined=20)) is None
    assert watchdog.verdict() is None


def test_an_update_is_measured_as_a_share_of_the_weights():
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 16, 3), torch.nn.Linear(4, 4))
    updates = Updates(network)
    updates.begin()
    with torch.no_grad():
        for weight in network.parameters():
            weight.mul_(1.25)
    assert updates.size() == pytest.approx(0.25)


def collapsing(**changes):
    values = {
        "name": "collapse", "seed": 3, "steps": 150, "checkpoint_every": 25,
        "data": {"train": "people"},
        "network": {"name": "small-cnn", "width": 32, "height": 40, "dimension": 32},
        "batch": {"people": 6, "photos": 4},
        "mining": {"online": "batch-hard"},
        "optimiser": {"name": "sgd", "rate": 3.0},
        "watchdog": {"window": 10, "max_rollbacks": 8},
    }  # fmt: skip
    return parse_recipe({**values, **changes}, "of the test")


def test_a_run_made_to_collapse_finishes_well(faces, tmp_path):
    warnings = []
    trained = train(collapsing(), faces, tmp_path, warn=warnings.append)
    assert trained.rollbacks > 0
    assert any("rolled back to step" in text and "rate x 0." in text for text in warnings)
    assert [one["step"] for one in trained.history] == list(range(1, 151))
    last = trained.history[-10:]
    positive = np.mean([one["positive_distance"] for one in last])
    negative = np.mean([one["negative_distance"] for one in last])
    assert negative > 0.3
    assert positive < 0.7 * negative


def test_a_rate_far_too_high_is_brought_down_and_the_run_learns(faces, tmp_path):
    muon = {"name": "muon", "rate": 3.0}
    messages = []
    trained = train(collapsing(optimiser=muon, mining={}), faces, tmp_path, warn=messages.append)
    assert trained.verdict is None, messages
    assert any("steps are too large" in text for text in messages)
    last = trained.history[-1]
    assert last["positive_distance"] < 0.7 * last["negative_distance"]


class Constant(torch.nn.Module):
    """Gives every face the same embedding."""

    def __init__(self, width, height, dimension):
        super().__init__()
        self.point = torch.nn.Parameter(torch.ones(1, dimension))

    def forward(self, faces):
        return torch.nn.functional.normalize(self.point, dim=1).expand(len(faces), -1)


def test_a_run_that_ends_with_a_useless_network_says_so(faces, tmp_path):
    messages = []
    network = {"name": "test_watchdog:Constant", "width": 32, "height": 40, "dimension": 8}
    # Too few steps for any window: only the look at the end can see it.
    trained = train(collapsing(steps=4, network=network), faces, tmp_path, warn=messages.append)
    assert "all faces to one point" in trained.verdict
    assert trained.verdict in messages[-1]


def test_without_rollbacks_the_same_run_fails(faces, tmp_path):
    with pytest.raises(DataError, match="training keeps failing: .* Lower optimiser.rate"):
        train(collapsing(watchdog={"window": 10, "max_rollbacks": 0}), faces, tmp_path)
