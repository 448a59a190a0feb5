"""The watchdog: it detects real collapse only, and a run made to collapse still finishes well."""

import math

import numpy as np
import pytest
import torch

from facespace.errors import DataError
from facespace.train.data.dataset import read_faces
from facespace.train.engine.loop import train
from facespace.train.engine.watchdog import Watchdog, spread_of
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
    watchdog.roll_back(20, 0, "why")
    assert (watchdog.rate_scale, watchdog.hardness_scale) == (0.25, 0.25)
    assert not watchdog.can_roll_back
    other = Watchdog(WatchdogSection(max_rollbacks=2), MARGIN)
    other.restore(watchdog.state())
    assert (other.rate_scale, other.rollbacks) == (0.25, watchdog.rollbacks)
    assert "step 20 to 0, rate x 0.25" in watchdog.diagnosis("it collapsed")


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


@pytest.fixture(scope="module")
def faces(people):
    return read_faces(people, 32, 40)


def test_a_run_made_to_collapse_finishes_well(faces, tmp_path):
    warnings = []
    trained = train(collapsing(), faces, tmp_path, warn=warnings.append)
    assert trained.rollbacks > 0
    assert any("rolled back to step" in text and "rate x 0.5" in text for text in warnings)
    assert [one["step"] for one in trained.history] == list(range(1, 151))
    last = trained.history[-10:]
    positive = np.mean([one["positive_distance"] for one in last])
    negative = np.mean([one["negative_distance"] for one in last])
    assert negative > 0.3
    assert positive < 0.7 * negative


def test_without_rollbacks_the_same_run_fails(faces, tmp_path):
    with pytest.raises(DataError, match="training keeps failing: .* Lower optimiser.rate"):
        train(collapsing(watchdog={"window": 10, "max_rollbacks": 0}), faces, tmp_path)
