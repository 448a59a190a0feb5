"""Rates and thresholds within groups, against direct counting."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facespace.evaluate.metrics.pairs import all_pairs, score
from facespace.evaluate.metrics.rates import rate
from facespace.evaluate.metrics.strangers import Strangers, val_at_drawn, worst_thresholds
from facespace.metric import normalise, squared_distances, threshold_at


def impostors(points, people):
    a, b = np.triu_indices(len(people), 1)
    different = people[a] != people[b]
    return squared_distances(points, points)[a[different], b[different]].astype(np.float64)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), repeated=st.booleans())
def test_rates_and_thresholds_are_those_of_all_pairs_of_different_people(seed, repeated):
    rng = np.random.default_rng(seed)
    points = normalise(rng.normal(size=(60, 6)))
    people = rng.integers(25, size=60) if repeated else rng.permutation(60)
    group, distances = Strangers(points, people, rounds=20), impostors(points, people)
    assert group.pairs == len(distances)
    assert np.sort(group.distances()) == pytest.approx(np.sort(distances))
    for threshold in (0.3, 1.5):
        assert group.rate(threshold).value == pytest.approx(np.mean(distances <= threshold), abs=1e-12)
    found, _ = group.thresholds([0.1, 0.05, 1e-4])
    assert found[:2] == pytest.approx([threshold_at(0.1, distances), threshold_at(0.05, distances)], abs=1e-6)
    # A tenth of a pair is not enough for a threshold.
    assert np.isnan(found[2])


@pytest.mark.parametrize("people", [np.arange(80), np.repeat(np.arange(20), 4)], ids=["one face each", "four each"])
def test_intervals_equal_those_of_explicit_resamples_of_people(rng, people):
    points = normalise(rng.normal(size=(80, 4)))
    pairs = all_pairs(people)
    impostor = score(points, people, pairs[~pairs.same])
    reference = rate(impostor, impostor.distances <= 0.4, rounds=300, seed=1)
    found = Strangers(points, people, rounds=300, seed=1).rate(0.4)
    assert (found.value, found.low, found.high) == pytest.approx(
        (reference.value, reference.low, reference.high), abs=1e-6
    )


def test_a_rate_of_zero_has_a_wide_interval(rng):
    found = Strangers(normalise(rng.normal(size=(30, 64))), np.arange(30)).rate(0.0)
    assert found.value == found.low == 0
    assert found.high == pytest.approx(1 - 0.05 ** (1 / 435))


def test_no_group_exceeds_the_rate_at_the_threshold_of_the_worst(rng):
    spread = {"similar": 0.7, "apart": 3.0, "between": 1.2}
    points = {name: normalise(np.ones(16) + s * rng.normal(size=(90, 16))) for name, s in spread.items()}
    groups = {name: Strangers(faces, np.arange(90), rounds=50) for name, faces in points.items()}
    found = worst_thresholds(groups, (1e-1, 1e-2, 1e-5))
    # Ninety faces are too few for a rate of 1e-5.
    assert [each.far for each in found] == [1e-1, 1e-2]
    for each in found:
        assert each.group == "similar"
        assert each.groups == 3
        assert each.threshold.low <= each.threshold.value <= each.threshold.high
        rates = {
            name: np.mean(impostors(faces, np.arange(90)) <= each.threshold.value) for name, faces in points.items()
        }
        # The last bits of a distance depend on how it is computed: a pair may cross.
        assert max(rates.values()) <= each.far + 1.5 / 4005
        assert rates["similar"] > each.far * 0.9


def test_a_group_too_small_for_a_rate_still_limits_smaller_rates(rng):
    small = Strangers(normalise(np.ones(16) + 0.2 * rng.normal(size=(16, 16))), np.arange(16), rounds=20)
    large = Strangers(normalise(rng.normal(size=(100, 16))), np.arange(100), rounds=20)
    first, second = worst_thresholds({"small": small, "large": large}, (0.1, 0.01))
    assert (first.group, first.groups, second.groups) == ("small", 2, 1)
    assert second.threshold.value <= first.threshold.value
    assert second.group == "small"


def test_the_share_of_genuine_pairs_counts_both_the_people_and_the_threshold_drawn(rng):
    people = np.repeat(np.arange(30), 3)
    points = normalise(rng.normal(size=(30, 8))[people] + 0.4 * rng.normal(size=(90, 8)))
    pairs = all_pairs(people)
    genuine = score(points, people, pairs[pairs.same])
    fixed = val_at_drawn(genuine, 0.2, np.full(200, 0.2))
    drawn = val_at_drawn(genuine, 0.2, rng.uniform(0.1, 0.3, 200))
    assert fixed.value == drawn.value == np.mean(genuine.distances <= 0.2)
    assert drawn.high - drawn.low > fixed.high - fixed.low > 0
