"""Thresholds at a false accept rate, against brute force and scikit-learn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_curve

from facespace.metric import threshold_at, val_far

# Few distinct values, so that ties are common.
tied = st.lists(st.integers(0, 12).map(lambda n: n / 4), min_size=1, max_size=40)


@given(impostor=tied, rate=st.floats(0, 0.99))
def test_it_is_the_largest_threshold_that_keeps_the_rate(impostor, rate):
    if 0 < rate * len(impostor) < 1:
        with pytest.raises(ValueError, match="cannot be measured"):
            threshold_at(rate, impostor)
        return
    threshold = threshold_at(rate, impostor)
    assert np.mean(np.array(impostor) <= threshold) <= rate + 1e-9
    # Every larger threshold that changes anything exceeds the rate.
    larger = [d for d in impostor if d > threshold]
    assert larger
    assert np.mean(np.array(impostor) <= min(larger)) > rate


@given(genuine=tied, impostor=tied)
def test_val_and_far_match_counting(genuine, impostor):
    point = val_far(genuine, impostor, 1.25)
    assert point.val == sum(d <= 1.25 for d in genuine) / len(genuine)
    assert point.far == sum(d <= 1.25 for d in impostor) / len(impostor)


@given(seed=st.integers(0, 200), rate=st.sampled_from([0.5, 0.1, 0.01]))
def test_val_at_far_agrees_with_scikit_learns_roc(seed, rate):
    rng = np.random.default_rng(seed)
    genuine, impostor = rng.normal(0.6, 0.3, 300), rng.normal(1.5, 0.4, 1000)
    same = np.repeat([1, 0], [300, 1000])
    fpr, tpr, _ = roc_curve(same, -np.concatenate([genuine, impostor]), drop_intermediate=False)
    assert val_far(genuine, impostor, threshold_at(rate, impostor)).val == pytest.approx(tpr[fpr <= rate + 1e-12].max())


def test_of_equal_distances_all_or_none_are_accepted():
    # At FAR 0.5, two of four could be accepted, but three share the distance: none of them is.
    assert threshold_at(0.5, [0.2, 1.0, 1.0, 1.0]) == np.nextafter(1.0, 0)


def test_an_exact_rate_loses_no_pair_to_rounding():
    assert np.sum(np.arange(100) <= threshold_at(0.29, np.arange(100))) == 29


def test_too_few_pairs_for_a_rate_are_refused_with_the_number_needed():
    with pytest.raises(ValueError, match="1e-06 cannot be measured on 100 impostor pairs: it needs at least 1,000,000"):
        threshold_at(1e-6, np.arange(100))


@pytest.mark.parametrize(
    ("genuine", "impostor", "message"),
    [([], [1], "no genuine pairs"), ([1], [], "no impostor pairs"), ([1], [np.nan], "NaN or infinite")],
)
def test_missing_or_bad_distances_are_refused(genuine, impostor, message):
    with pytest.raises(ValueError, match=message):
        val_far(genuine, impostor, threshold_at(0, impostor))


def test_an_invalid_rate_is_refused():
    with pytest.raises(ValueError, match="at least 0 and below 1"):
        threshold_at(1.5, [1, 2])
