"""Rates among pairs."""

import numpy as np
import pytest
from scipy.stats import binomtest

from facespace.evaluate.metrics.pairs import ScoredPairs, all_pairs
from facespace.evaluate.metrics.rates import rate


def impostors(people=12, photos=3):
    labels = np.repeat(np.arange(people), photos)
    pairs = all_pairs(labels)
    pairs = pairs[~pairs.same]
    return ScoredPairs(np.zeros(len(pairs)), pairs.same, labels[pairs.a], labels[pairs.b], people)


def test_a_rate_is_a_share_and_its_interval_holds_it():
    pairs = impostors()
    happened = (pairs.first == 0) & (pairs.second < 4)
    found = rate(pairs, happened, rounds=300)
    assert found.value == happened.mean()
    assert found.low < found.value < found.high


def test_a_rate_of_zero_has_an_upper_bound():
    pairs = impostors()
    nothing = np.zeros(len(pairs), bool)
    found = rate(pairs, nothing)
    # Twelve people are 66 pairs of people, whatever the number of photos.
    bound = binomtest(0, 66, alternative="less").proportion_ci(0.95).high
    assert (found.value, found.low, found.high) == (0, 0, pytest.approx(bound))
    always = rate(pairs, ~nothing)
    assert (always.value, always.low, always.high) == (1, pytest.approx(1 - bound), 1)
    assert rate(impostors(photos=6), np.zeros(len(impostors(photos=6)), bool)).high == pytest.approx(bound)
