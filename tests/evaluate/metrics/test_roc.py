"""The ROC against scikit-learn and against counting."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from facespace.evaluate import accuracy, best_threshold, roc
from facespace.evaluate.metrics.roc import weighted_roc
from facespace.metric import threshold_at, val_far

tied = st.lists(st.integers(0, 15).map(lambda n: n / 4), min_size=1, max_size=30)


@given(genuine=tied, impostor=tied)
def test_the_area_is_scikit_learns_ties_counting_half(genuine, impostor):
    same = np.repeat([1, 0], [len(genuine), len(impostor)])
    assert roc(genuine, impostor).auc == pytest.approx(roc_auc_score(same, -np.array(genuine + impostor)))


@given(genuine=tied, impostor=tied)
def test_every_point_is_what_counting_gives(genuine, impostor):
    curve = roc(genuine, impostor)
    for threshold, far, val in zip(curve.threshold, curve.far, curve.val, strict=True):
        assert far == pytest.approx(np.mean(np.array(impostor) <= threshold))
        assert val == pytest.approx(np.mean(np.array(genuine) <= threshold))
    assert len(curve.threshold) == 1 + len({*genuine, *impostor})


@given(genuine=tied, impostor=tied, far=st.sampled_from([0.5, 0.25, 0.1]))
def test_val_at_a_far_is_that_of_the_metrics_threshold(genuine, impostor, far):
    if far * len(impostor) >= 1:
        assert roc(genuine, impostor).val_at(far) == pytest.approx(
            val_far(genuine, impostor, threshold_at(far, impostor)).val
        )


@given(genuine=tied, impostor=tied, data=st.data())
def test_weights_are_repetitions(genuine, impostor, data):
    distances = np.array(genuine + impostor)
    same = np.arange(len(distances)) < len(genuine)
    weights = np.array(data.draw(st.lists(st.integers(0, 3), min_size=len(same), max_size=len(same))))
    weights[[0, -1]] += 1
    repeated = roc(np.repeat(distances[same], weights[same]), np.repeat(distances[~same], weights[~same]))
    weighted = weighted_roc(distances, same, weights)
    assert weighted.auc == pytest.approx(repeated.auc)
    for far in (0.0, 0.1, 0.5):
        assert weighted.val_at(far) == pytest.approx(repeated.val_at(far))


@given(genuine=tied, impostor=tied)
def test_no_threshold_is_more_accurate_than_the_best(genuine, impostor):
    best = accuracy(genuine, impostor, best_threshold(genuine, impostor))
    for threshold in [-1, *genuine, *impostor]:
        assert accuracy(genuine, impostor, threshold) <= best + 1e-12


def test_the_equal_error_rate_is_where_both_errors_are_equal():
    rng = np.random.default_rng(0)
    curve = roc(rng.normal(1, 0.5, 4000), rng.normal(2, 0.5, 4000))
    # Two normal distributions two deviations apart: 1 - Phi(1).
    assert curve.equal_error_rate == pytest.approx(0.1587, abs=0.01)
    assert roc([0.1], [1.0]).equal_error_rate == 0
    assert roc([1.0], [0.1]).equal_error_rate == 1


def test_accuracy_gives_both_kinds_of_pairs_equal_weight():
    # Two of four genuine pairs are accepted, 9 of 10 impostor pairs are rejected.
    assert accuracy([1, 1, 3, 3], [1, *[3] * 9], 2) == pytest.approx((0.5 + 0.9) / 2)


def test_a_million_scores_are_quick():
    rng = np.random.default_rng(0)
    genuine, impostor = rng.normal(1, 0.4, 100_000), rng.normal(2, 0.4, 900_000)
    started = time.process_time()
    curve = roc(genuine, impostor)
    assert curve.auc > 0.9
    # The target is one second; the limit of ten allows for a busy machine.
    assert time.process_time() - started < 10
