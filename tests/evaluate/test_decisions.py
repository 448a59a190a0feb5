"""Measuring thresholds, calibration and clustering cut."""

import numpy as np
import pytest

from facespace.errors import DataError
from facespace.evaluate import bcubed_f, decide
from facespace.metric import normalise, squared_distances


def faces(seed, people=25, photos=8, spread=0.7):
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(people), photos)
    return normalise(rng.normal(size=(people, 32))[labels] + spread * rng.normal(size=(len(labels), 32))), labels


def distances(points, labels):
    i, j = np.triu_indices(len(labels), 1)
    found, same = squared_distances(points, points)[i, j], labels[i] == labels[j]
    return found[same], found[~same]


def test_thresholds_keep_their_rate_here_and_about_keep_it_on_other_people():
    decisions = decide(*faces(0, people=40), "forty people")
    _, here = distances(*faces(0, people=40))
    _, there = distances(*faces(1, people=40))
    for entry in decisions.thresholds:
        # The last bits of a distance depend on how it is computed: a pair may cross.
        assert np.mean(here <= entry.threshold) <= entry.far + 2 / len(here)
        assert np.mean(there <= entry.threshold) == pytest.approx(entry.far, rel=0.6, abs=3e-4)
        assert entry.low <= entry.threshold <= entry.high


def test_only_rates_that_ten_impostor_pairs_decide_are_given():
    decisions = decide(*faces(0, people=6, photos=10), "six people")
    assert decisions.impostor_pairs == 1500
    assert [entry.far for entry in decisions.thresholds] == [1e-1, 1e-2]
    assert decisions.default_far == 1e-2


def test_the_default_rate_is_one_in_a_thousand_where_the_data_reach_it():
    decisions = decide(*faces(0, people=50, photos=10), "fifty people")
    assert min(entry.far for entry in decisions.thresholds) == 1e-4
    assert decisions.default_far == 1e-3


def test_the_cut_groups_these_people_as_well_as_any_cut_does(exact_clusters):
    points, labels = faces(3, people=8, spread=0.9)
    cut = decide(points, labels, "eight people").clustering
    mine = bcubed_f(labels, exact_clusters(points, cut.threshold, cut.linkage))
    others = [bcubed_f(labels, exact_clusters(points, other, cut.linkage)) for other in np.linspace(0, 2.5, 40)]
    assert mine >= max(others) - 0.02


def test_probabilities_are_about_right_on_other_people():
    decisions = decide(*faces(0, people=40), "forty people")
    genuine, impostor = distances(*faces(5, people=40))

    def probability(d):
        return 1 / (1 + np.exp(-(decisions.calibration.intercept + decisions.calibration.slope * d)))

    # With equal weight of both kinds, half of the weight at probability one half is genuine.
    for low, high in ((0.2, 0.5), (0.5, 0.8)):
        g = np.mean((probability(genuine) >= low) & (probability(genuine) < high))
        i = np.mean((probability(impostor) >= low) & (probability(impostor) < high))
        assert low - 0.15 < g / (g + i) < high + 0.15


def test_too_few_people_for_any_threshold_are_refused():
    with pytest.raises(DataError, match="are too few to measure a threshold: use more people"):
        decide(*faces(0, people=2, photos=3), "two people")


def test_a_collapsed_space_is_refused():
    with pytest.raises(DataError, match="cannot be calibrated"):
        decide(np.ones((60, 4)) / 2, np.repeat(np.arange(6), 10), "nobody")


def test_the_histograms_hold_every_pair_where_it_lies():
    points, labels = faces(0, people=20)
    bars = decide(points, labels, "twenty people").distances
    genuine, impostor = distances(points, labels)
    for shares, found in ((bars.genuine, genuine), (bars.impostor, impostor)):
        edges = np.arange(len(shares) + 1) * bars.step
        assert found.max() < edges[-1]
        # The last bits of a distance depend on how it is computed: a pair may cross.
        assert shares == pytest.approx(np.histogram(found, edges)[0] / len(found), abs=2 / len(found))
    assert 60 <= len(bars.genuine) <= 130


def test_the_distances_of_rejection_keep_their_rate_here_and_about_keep_it_on_other_people():
    decisions = decide(*faces(0, people=40), "forty people")
    here, _ = distances(*faces(0, people=40))
    there, _ = distances(*faces(1, people=40))
    assert [entry.frr for entry in decisions.rejections] == [0.1, 0.05, 0.02, 0.01]
    assert decisions.default_frr == 0.05
    for entry in decisions.rejections:
        assert np.mean(here > entry.distance) <= entry.frr + 2 / len(here)
        assert np.mean(there > entry.distance) == pytest.approx(entry.frr, rel=0.6, abs=3e-3)
        assert entry.low <= entry.distance <= entry.high


def test_only_rates_that_ten_genuine_pairs_decide_are_given():
    decisions = decide(*faces(0, people=6, photos=7), "six people")  # 126 genuine pairs
    assert [entry.frr for entry in decisions.rejections] == [0.1]
    assert decisions.default_frr == 0.1
