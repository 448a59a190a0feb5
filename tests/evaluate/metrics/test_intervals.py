"""The bootstrap over identities."""

import numpy as np
import pytest

from facespace.evaluate.metrics.intervals import draws, interval, over_identities


def test_an_interval_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(1)
    covered = 0
    for trial in range(300):
        # Forty people with five photos each; each person has a mean around 0.7.
        levels = rng.normal(0.7, 0.1, 40)
        values = np.repeat(levels, 5) + rng.normal(0, 0.05, 200)
        people = np.repeat(np.arange(40), 5)
        found = over_identities(values.mean(), people, lambda n, v=values: n @ v / n.sum(), rounds=200, seed=trial)
        covered += found.low <= 0.7 <= found.high
    assert 0.90 <= covered / 300 <= 0.99


def test_a_person_with_many_photos_makes_the_interval_wider_than_counting_photos_would():
    values = np.repeat([0.0, 1.0], 100)
    by_person = over_identities(0.5, np.repeat([0, 1], 100), lambda n: n @ values / n.sum())
    by_photo = over_identities(0.5, np.arange(200), lambda n: n @ values / n.sum())
    assert (by_person.low, by_person.high) == (0, 1)
    assert by_photo.high - by_photo.low < 0.2


def test_rounds_without_a_value_do_not_count():
    assert interval(1, [np.nan, 1, 1]).low == 1
    assert np.isnan(interval(1, [np.nan]).low)


def test_the_same_seed_draws_the_same_people():
    first, second = ([d.tolist() for d in draws(6, 5, 3)] for _ in range(2))
    assert first == second
    assert all(sum(drawn) == 6 for drawn in first)
    assert len({tuple(drawn) for drawn in first}) > 1
    assert pytest.approx(1, abs=0.3) == np.mean(list(draws(6, 200, 1)))
